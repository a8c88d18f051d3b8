"""EnrolmentService: identities for agents, over server TLS.

Rules enforced here:

1. Whoever calls has no identity yet; every refusal is recorded under the caller's address.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias

import grpc
from cryptography import x509
from sqlalchemy import Connection

from lockgate.controller import clock
from lockgate.controller.calls import Calls, Work, violations_of
from lockgate.controller.identity.enrolment import Registrar, to_pem
from lockgate.controller.refusals import Refusal
from lockgate.v1 import enrolment_pb2 as pb
from lockgate.v1 import enrolment_pb2_grpc

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class EnrolmentService(enrolment_pb2_grpc.EnrolmentServiceServicer):
    """The servicer."""

    def __init__(self, calls: Calls, registrar: Registrar) -> None:
        self._calls = calls
        self._registrar = registrar

    async def Enrol(  # noqa: N802  (the name is the contract's)
        self, request: pb.EnrolRequest, context: _Context
    ) -> pb.EnrolResponse:
        """Trade a join token for a certificate; see the .proto."""

        def issue(connection: Connection, now: datetime) -> x509.Certificate | Refusal:
            token, csr = request.join_token, request.certificate_request
            return self._registrar.enrol(connection, token, csr, request.host, now)

        answer = await self._answer(request, context, "Enrol", pb.EnrolResponse, issue)
        return pb.EnrolResponse.FromString(answer)

    async def Renew(  # noqa: N802
        self, request: pb.RenewRequest, context: _Context
    ) -> pb.RenewResponse:
        """Trade proof of the last key for a certificate; see the .proto."""

        def issue(connection: Connection, now: datetime) -> x509.Certificate | Refusal:
            old, csr, proof = request.certificate, request.certificate_request, request.signature
            return self._registrar.renew(connection, old, csr, proof, now)

        answer = await self._answer(request, context, "Renew", pb.RenewResponse, issue)
        return pb.RenewResponse.FromString(answer)

    async def _answer(
        self,
        request: Any,
        context: _Context,
        name: str,
        response: Any,
        issue: Callable[[Connection, datetime], x509.Certificate | Refusal],
    ) -> bytes:
        now = clock.now()
        bundle = self._registrar.authority.bundle

        def work(connection: Connection) -> bytes | Refusal:
            issued = issue(connection, now)
            if isinstance(issued, Refusal):
                return issued
            message = response(certificate_chain=to_pem(issued), trust_bundle=bundle)
            return bytes(message.SerializeToString())

        run: Work = work
        answer = violations_of(request) or await self._calls.from_stranger(request, now, run)
        if isinstance(answer, Refusal):
            await self._calls.refuse(answer, context, name, "")
        return answer

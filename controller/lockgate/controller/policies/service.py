"""PolicyService: versions of the policy and their way through the rings, over mTLS.

Rules enforced here: everybody with a role reads what decides; who may change policies may try
them on the past, promote them and take them back. A new policy is a change (``change.py``).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeAlias

import grpc
from sqlalchemy import Connection, Engine

from lockgate.controller.appending import Ledger
from lockgate.controller.known_keys import LiveKeys
from lockgate.controller.people.calls import PersonCalls
from lockgate.controller.people.roles import ANY_ROLE, Person
from lockgate.controller.policies import messages, store
from lockgate.controller.policies.change import ROLES, faults_told
from lockgate.controller.policies.content import policy_of, write
from lockgate.controller.policies.replay import replay
from lockgate.controller.policies.store import PolicyState, Version
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.policy import PolicyError
from lockgate.scan.names import escape_name
from lockgate.v1 import policy_pb2 as pb
from lockgate.v1 import policy_pb2_grpc
from lockgate.wire.bounds.policy import MOST_VERSIONS
from lockgate.wire.convert import WireError
from lockgate.wire.convert.values import time_of

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_USUAL_LIMIT, _MOST_REPLAYED = 10_000, 100_000


class PolicyService(policy_pb2_grpc.PolicyServiceServicer):
    """The servicer."""

    def __init__(self, calls: PersonCalls, ledger: Ledger, reader: Engine, keys: LiveKeys) -> None:
        self._calls = calls
        self._ledger = ledger
        self._reader = reader
        self._keys = keys

    async def ListPolicies(  # noqa: N802  (the name is the contract's)
        self, request: pb.ListPoliciesRequest, context: _Context
    ) -> pb.ListPoliciesResponse:
        """The newest versions; see the .proto."""

        def show(connection: Connection) -> bytes:
            found = store.listed(connection, MOST_VERSIONS)
            shown = [messages.version_message(version) for version in found]
            return pb.ListPoliciesResponse(versions=shown).SerializeToString()

        answer = await self._calls.read(request, context, "ListPolicies", ANY_ROLE, show)
        return pb.ListPoliciesResponse.FromString(answer)

    async def GetPolicy(  # noqa: N802
        self, request: pb.GetPolicyRequest, context: _Context
    ) -> pb.GetPolicyResponse:
        """One version with its documents; see the .proto."""

        def show(connection: Connection) -> bytes | Refusal:
            version = _asked(connection, request.version)
            if version is None:
                return Refusal(RefusalReason.NOT_FOUND, "policy version")
            return pb.GetPolicyResponse(
                version=messages.version_message(version),
                documents=messages.document_messages(version),
            ).SerializeToString()

        answer = await self._calls.read(request, context, "GetPolicy", ANY_ROLE, show)
        return pb.GetPolicyResponse.FromString(answer)

    async def ReplayPolicy(  # noqa: N802
        self, request: pb.ReplayPolicyRequest, context: _Context
    ) -> pb.ReplayPolicyResponse:
        """Try a policy on the past; see the .proto."""

        def show(_connection: Connection) -> bytes | Refusal:
            try:
                policy = policy_of(write(messages.sources_of(request)))
                since = time_of(request.since, "since") if request.HasField("since") else None
            except PolicyError as error:
                return Refusal(RefusalReason.MALFORMED, faults_told(error))
            except WireError as error:
                return Refusal(RefusalReason.MALFORMED, str(error))
            found = replay(
                self._reader,
                policy,
                self._keys.current,
                since=since,
                limit=min(request.limit or _USUAL_LIMIT, _MOST_REPLAYED),
            )
            return messages.replay_message(found, policy.digest).SerializeToString()

        answer = await self._calls.read(request, context, "ReplayPolicy", ROLES, show)
        return pb.ReplayPolicyResponse.FromString(answer)

    async def PromotePolicy(  # noqa: N802
        self, request: pb.PromotePolicyRequest, context: _Context
    ) -> pb.PromotePolicyResponse:
        """One ring more; see the .proto."""

        def work(connection: Connection, person: Person, now: datetime) -> bytes | Refusal:
            number = request.version
            version = store.promote(connection, self._ledger, number, [person.id], now)
            return _answer(version, pb.PromotePolicyResponse)

        answer = await self._calls.write(request, context, "PromotePolicy", ROLES, work)
        return pb.PromotePolicyResponse.FromString(answer)

    async def RollBackPolicy(  # noqa: N802
        self, request: pb.RollBackPolicyRequest, context: _Context
    ) -> pb.RollBackPolicyResponse:
        """Back to the version before; see the .proto."""

        def work(connection: Connection, person: Person, now: datetime) -> bytes | Refusal:
            given = (request.version, escape_name(request.reason), [person.id])
            version = store.roll_back(connection, self._ledger, *given, now)
            return _answer(version, pb.RollBackPolicyResponse)

        answer = await self._calls.write(request, context, "RollBackPolicy", ROLES, work)
        return pb.RollBackPolicyResponse.FromString(answer)


def _asked(connection: Connection, number: int) -> Version | None:
    if number:
        return store.find(connection, number)
    rolling = store.in_state(connection, PolicyState.ROLLING)
    return rolling or store.in_state(connection, PolicyState.ACTIVE)


def _answer(version: Version | Refusal, response: Any) -> bytes | Refusal:
    if isinstance(version, Refusal):
        return version
    message = messages.version_message(version)
    return bytes(response(version=message).SerializeToString())

"""A controller that answers what a test tells it to, over real gRPC on loopback."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc

from lockgate.v1 import decision_pb2 as pb
from lockgate.v1 import decision_pb2_grpc, transfer_pb2


class FakeController(decision_pb2_grpc.DecisionServiceServicer):
    """Keeps what it was told; ``refuse`` is the status it answers with, None: it answers.

    ``reason`` is the word that goes with a refusal, ``retry_ms`` the time it asks to be left alone.
    """

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.refuse: grpc.StatusCode | None = None
        self.reason = ""
        self.retry_ms = 0
        self.verdict = transfer_pb2.VERDICT_ALLOW
        self._server = grpc.server(ThreadPoolExecutor(4))
        decision_pb2_grpc.add_DecisionServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def _hear(self, request: Any, context: Any) -> None:
        self.told.append(request)
        if self.refuse is not None:
            hint = (("lockgate-retry-after-ms", str(self.retry_ms)),) if self.retry_ms else ()
            context.set_trailing_metadata((("lockgate-reason", self.reason), *hint))
            context.abort(self.refuse, "told to")

    def RequestVerdict(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Answer with ``verdict``."""
        self._hear(request, context)
        decision = transfer_pb2.Decision(verdict=self.verdict, rule="fake")
        return pb.RequestVerdictResponse(decision=decision, passport=b"{}")

    def ReportEnforcement(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Take a receipt."""
        self._hear(request, context)
        return pb.ReportEnforcementResponse()

    def ReportGuard(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Take a change of a guard."""
        self._hear(request, context)
        return pb.ReportGuardResponse()

    def close(self) -> None:
        """Stop serving."""
        self._server.stop(None)


class FakeCredentials:
    """Credentials without TLS."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.generation = 1
        self.is_expired = False
        self.trouble = ""
        self.not_after = datetime.now(UTC) + timedelta(hours=1)

    def expired(self) -> bool:
        """As the test says."""
        return self.is_expired

    def renew_if_due(self) -> None:
        """Nothing: it does not end."""

    def connect(self) -> grpc.Channel:
        """A channel without TLS."""
        return grpc.insecure_channel(f"127.0.0.1:{self._port}")

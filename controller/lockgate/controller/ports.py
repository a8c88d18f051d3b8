"""gRPC servers on their ports, with health and reflection.

Rules enforced here:

1. Messages and metadata are bounded; only so many calls run at once, the others are told so. What
   is too large is refused here with a ledger entry (``receiving``) up to :data:`_MOST_READ` bytes;
   gRPC reads no more than that and refuses the rest by itself.
2. On the way down calls under way get their answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from lockgate.controller.calls import Calls
from lockgate.controller.receiving import Reception
from lockgate.controller.services import Service
from lockgate.wire import channels

_GRACE_SECONDS = 5.0
#: Open streams count too, one of each agent; how many calls may wait is bounded in ``Calls``.
_CONCURRENT_CALLS = 32_768
_MOST_READ = 4 * channels.MESSAGE_LIMIT
_OPTIONS = (
    ("grpc.max_receive_message_length", _MOST_READ),
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.so_reuseport", 0),
    # Every agent opens its stream at once when the controller is back. From a thousand calls on
    # that nobody has looked at yet, gRPC would drop some of them without a word.
    ("grpc.server.max_pending_requests", _CONCURRENT_CALLS),
    ("grpc.server.max_pending_requests_hard_limit", _CONCURRENT_CALLS),
)


@asynccontextmanager
async def serving(
    services: Sequence[Service],
    calls: Calls,
    host: str,
    port: int,
    credentials: grpc.ServerCredentials,
) -> AsyncIterator[int]:
    """A started server for ``services``; the port it has. ``calls`` takes what is refused.

    Raises:
        OSError: the port cannot be listened on.
    """
    server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=_CONCURRENT_CALLS)
    names = [service.name for service in services]
    reception = Reception(server, calls)
    for service in services:
        service.add(service.servicer, reception)
    await _tell_health(server, names)
    reflection.enable_server_reflection(
        (*names, health.SERVICE_NAME, reflection.SERVICE_NAME), server
    )
    try:
        bound = server.add_secure_port(f"{host}:{port}", credentials)
    except RuntimeError:  # all that gRPC says of it, beside its own line on stderr
        raise OSError(f"{host}:{port}: cannot be listened on; is the port in use?") from None
    await server.start()
    try:
        yield bound
    finally:
        await server.stop(_GRACE_SECONDS)


async def _tell_health(server: grpc.aio.Server, names: Sequence[str]) -> None:
    state = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(state, server)
    for name in ("", *names):
        await state.set(name, health_pb2.HealthCheckResponse.SERVING)

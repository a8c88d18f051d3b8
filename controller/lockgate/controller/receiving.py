"""Requests as they come off the wire: what cannot be read is refused like everything else.

Rules enforced here:

1. gRPC by itself would end a call whose bytes are no message with a status of its own, without a
   word and without a ledger entry. Here such bytes, and more of them than any message has, become
   a :class:`Refusal` before the servicer sees anything; on a stream the servicer is given it.
2. A fault that no servicer foresaw ends its call as ``internal``; only the log sees it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import grpc
import structlog
from google.protobuf.message import DecodeError

from lockgate.controller.calls import Calls
from lockgate.controller.identity.peers import Peer
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.wire.channels import MESSAGE_LIMIT

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_Parse: TypeAlias = Callable[[bytes], Any]
_Unary: TypeAlias = Callable[[Any, _Context], Awaitable[Any]]
_Stream: TypeAlias = Callable[[AsyncIterator[Any], _Context], Awaitable[None]]

log = structlog.get_logger()


class Reception:
    """What generated code adds a service to, in the place of ``server``."""

    def __init__(self, server: grpc.aio.Server, calls: Calls) -> None:
        self._server = server
        self._calls = calls

    def add_generic_rpc_handlers(self, _: Any) -> None:
        """Nothing: generated code brings the same handlers again, by name."""

    def add_registered_method_handlers(
        self, service: str, handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None:
        """Serve the calls of a service.

        Not as registered methods: gRPC's event loop then waits for each of them apart, at every
        call, which costs more than the call with as many as there are here.
        """
        served = {name: self._received(name, handler) for name, handler in handlers.items()}
        generic = grpc.method_handlers_generic_handler(service, served)
        self._server.add_generic_rpc_handlers((generic,))

    def _received(self, name: str, handler: Any) -> grpc.RpcMethodHandler[Any, Any]:
        how = {
            "request_deserializer": partial(_read, handler.request_deserializer),
            "response_serializer": handler.response_serializer,
        }
        if handler.request_streaming:
            streamed: Any = self._streamed(name, handler.stream_stream)
            return grpc.stream_stream_rpc_method_handler(streamed, **how)
        return grpc.unary_unary_rpc_method_handler(self._asked(name, handler.unary_unary), **how)

    def _asked(self, name: str, serve: _Unary) -> Any:
        async def answer(request: Any, context: _Context) -> Any:
            if isinstance(request, Refusal):
                await self._refuse(request, context, name)
            try:
                return await serve(request, context)
            except grpc.aio.AbortError:
                raise
            except Exception:
                log.exception("call failed", call=name)
                return await self._refuse(Refusal(RefusalReason.INTERNAL), context, name)

        return answer

    def _streamed(self, name: str, serve: _Stream) -> _Stream:
        async def hold(requests: AsyncIterator[Any], context: _Context) -> None:
            try:
                await serve(requests, context)
            except grpc.aio.AbortError:
                raise
            except Exception:
                log.exception("call failed", call=name)
                await self._refuse(Refusal(RefusalReason.INTERNAL), context, name)

        return hold

    async def _refuse(self, refusal: Refusal, context: _Context, name: str) -> None:
        peer = self._calls.identify(context)
        host = peer.host if isinstance(peer, Peer) else ""
        await self._calls.refuse(refusal, context, name, host)


def _read(parse: _Parse, raw: bytes) -> Any:
    """The message in ``raw``, or why it is none."""
    if len(raw) > MESSAGE_LIMIT:
        return Refusal(RefusalReason.OVERSIZED, f"more than {MESSAGE_LIMIT} bytes")
    try:
        return parse(raw)
    except DecodeError:
        return Refusal(RefusalReason.MALFORMED, "not a message of this call")

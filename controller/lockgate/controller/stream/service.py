"""AgentService: the stream that every agent holds open.

Rules enforced here:

1. The identity is the certificate's, and the store's word on it is asked when the stream opens;
   afterwards every stream is ended whose agent would be refused (``.cutting``).
2. A message is checked like every other one; the first that is wrong ends the stream with a
   refusal, in the ledger like every other one. Content of a later version is ignored.
3. What an agent says is taken in one by one: whoever talks faster than the store takes waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from importlib.metadata import version
from typing import Any, TypeAlias

import grpc
import structlog
from sqlalchemy import Connection

from lockgate.controller import clock
from lockgate.controller.calls import Calls, violations_of
from lockgate.controller.identity import peers
from lockgate.controller.identity.peers import Peer
from lockgate.controller.records import Ledger
from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.controller.stream import commands, states
from lockgate.controller.stream.hub import Hub
from lockgate.controller.stream.open_stream import OpenStream
from lockgate.v1 import agent_pb2 as pb
from lockgate.v1 import agent_pb2_grpc
from lockgate.wire import convert
from lockgate.wire.agent import Capability
from lockgate.wire.convert.values import SHORT_TEXT, arrived

_CALL = "Connect"
_HELLO_SECONDS = 20.0
#: How long an agent may take to read the word that was being said when its stream ended.
_LAST_WORD_SECONDS = 1.0
_LARGEST = 2**63 - 1
_CAPABILITIES = (Capability.POLICY_OFFERS, Capability.RULE_PACK_OFFERS)

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
#: What cannot be read comes as its refusal (``lockgate.controller.receiving``).
_Requests: TypeAlias = AsyncIterator["pb.ConnectRequest | Refusal"]

log = structlog.get_logger()


class AgentService(agent_pb2_grpc.AgentServiceServicer):
    """The servicer; one instance serves all agents."""

    def __init__(self, calls: Calls, ledger: Ledger, hub: Hub, heartbeat_seconds: float) -> None:
        self._calls = calls
        self._ledger = ledger
        self._hub = hub
        self._heartbeat_seconds = heartbeat_seconds

    async def Connect(  # type: ignore[override]  # noqa: N802  (grpc.aio takes coroutines too)
        self, requests: _Requests, context: _Context
    ) -> None:
        """Hold the stream of one agent; see the .proto."""
        peer = self._calls.identify(context)
        if isinstance(peer, Refusal):
            await self._calls.refuse(peer, context, _CALL, "")
        stream = await self._open(requests, peer)
        if isinstance(stream, Refusal):
            await self._calls.refuse(stream, context, _CALL, peer.host)
        why = await self._hold(stream, requests, context)
        if why is not None:
            await self._calls.refuse(why, context, _CALL, peer.host)

    async def _open(self, requests: _Requests, peer: Peer) -> OpenStream | Refusal:
        """The stream, once its hello is recorded."""
        try:
            first = await asyncio.wait_for(anext(requests, None), _HELLO_SECONDS)
        except TimeoutError:
            return Refusal(RefusalReason.MALFORMED, "no hello came")
        if isinstance(first, Refusal):
            return first
        if first is None or first.WhichOneof("content") != "hello":
            return Refusal(RefusalReason.MALFORMED, "the first message is no hello")
        refusal = violations_of(first)
        if refusal is not None:
            return refusal
        capabilities = convert.capabilities_from_wire(first.hello.capabilities)
        now = clock.now()
        told: dict[str, bytes] = {}

        def unit(connection: Connection) -> bytes | Refusal:
            refused = peers.admitted(connection, peer.host, peer.serial)
            if refused is not None:
                return refused
            agent = (peer.host, arrived(first.hello.version, SHORT_TEXT))
            last = states.opened(connection, self._ledger, *agent, capabilities, now)
            told.clear()
            told.update(commands.waiting_for(connection, peer.host))
            return str(last).encode()

        last = await self._calls.submit(unit)
        if isinstance(last, Refusal):
            return last
        stream = OpenStream(peer, capabilities, int(last))
        stream.say(pb.ConnectResponse(hello=self._hello()))
        self._hub.join(stream)
        for command_id, body in told.items():
            self._hub.give(peer.host, command_id, body)
        return stream

    def _hello(self) -> pb.ControllerHello:
        return pb.ControllerHello(
            capabilities=convert.capabilities_to_wire(_CAPABILITIES),
            version=version("lockgate-controller"),
            heartbeat_seconds=max(1, round(self._heartbeat_seconds)),
        )

    async def _hold(
        self, stream: OpenStream, requests: _Requests, context: _Context
    ) -> Refusal | None:
        """Hear and speak until the stream ends; why it does."""
        hearing = asyncio.create_task(self._hear(stream, requests))
        speaking = asyncio.create_task(_speak(stream, context))
        try:
            return await stream.ended()
        finally:
            self._hub.leave(stream)
            hearing.cancel()
            # gRPC may never tell the peer of the end of a call in which it was stopped writing.
            await asyncio.wait({speaking}, timeout=_LAST_WORD_SECONDS)
            speaking.cancel()
            await asyncio.gather(hearing, speaking, return_exceptions=True)

    async def _hear(self, stream: OpenStream, requests: _Requests) -> None:
        why: Refusal | None = None
        try:
            async for request in requests:
                if isinstance(request, Refusal):
                    why = request
                else:
                    why = violations_of(request) or await self._take(stream, request)
                if why is not None:
                    break
        except convert.WireError as error:
            why = Refusal(RefusalReason.MALFORMED, str(error))
        except grpc.RpcError:
            why = None  # the connection is gone
        except Exception:
            log.exception("stream failed")
            why = Refusal(RefusalReason.INTERNAL)
        stream.end(why)

    async def _take(self, stream: OpenStream, request: pb.ConnectRequest) -> Refusal | None:
        match request.WhichOneof("content"):
            case "heartbeat":
                return self._beat(stream, request.heartbeat)
            case "receipt":
                return await self._receipt(stream, request.receipt)
            case "hello":
                return Refusal(RefusalReason.MALFORMED, "a second hello")
        return None

    def _beat(self, stream: OpenStream, beat: pb.Heartbeat) -> Refusal | None:
        if not 1 <= beat.sequence <= _LARGEST:
            return Refusal(RefusalReason.MALFORMED, "heartbeat.sequence: out of range")
        health = convert.health_from_wire(beat.health) if beat.HasField("health") else None
        self._hub.beat(stream, beat.sequence, health, clock.to_micros(clock.now()))
        return None

    async def _receipt(self, stream: OpenStream, message: pb.CommandReceipt) -> Refusal | None:
        receipt = convert.command_receipt_from_wire(message)
        host, now = stream.peer.host, clock.now()

        def unit(connection: Connection) -> bytes | Refusal:
            done = commands.receipted(connection, self._ledger, host, receipt, now)
            return b"" if done is None else done

        kept = await self._calls.submit(unit)
        if isinstance(kept, Refusal):
            return kept
        ack = pb.CommandReceiptAck(command_id=receipt.command_id)
        await stream.say_in_turn(pb.ConnectResponse(receipt_ack=ack))
        return None


async def _speak(stream: OpenStream, context: _Context) -> None:
    try:
        while (message := await stream.next()) is not None:
            await context.write(message)
    except grpc.RpcError:
        pass  # the connection is gone
    finally:
        stream.end(None)

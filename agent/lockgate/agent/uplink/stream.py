"""The agent's end of its stream to the controller.

Rules enforced here:

1. Nothing here is in the way of a decision: the stream has threads of its own, and without it
   the agent guards, asks and reports as before.
2. Heartbeats are numbered over streams and restarts, from the last one that was acknowledged.
3. A stream that ended, for whatever reason, is opened again after a pause; a controller that
   does not know the service is asked again rarely. A new certificate gets a new stream at once.
4. A stream on which nothing is acknowledged any more is given up.
5. What the controller says is checked like what it hears: a message that breaks the bounds of its
   fields, or acknowledges what was never said, is passed over.
6. When another policy is offered than the one before, no decision from before is used again.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import grpc
import structlog

from lockgate.agent.uplink.answers import reason_of, retry_after_s
from lockgate.agent.uplink.backoff import Backoff
from lockgate.agent.uplink.beats import Beats
from lockgate.agent.uplink.bundles import PolicyCache
from lockgate.agent.uplink.connection import Connection
from lockgate.agent.uplink.identity import CredentialsError
from lockgate.agent.uplink.orders import Deeds, Orders
from lockgate.v1 import agent_pb2 as pb
from lockgate.v1 import agent_pb2_grpc
from lockgate.wire import convert
from lockgate.wire.agent import (
    AgentHealth,
    Capability,
    CommandOutcome,
    CommandReceipt,
    ForgetDecisions,
    OfferKind,
)
from lockgate.wire.validate import violations

#: Pause before a controller that has no such service is asked again.
_UNKNOWN_S = 600.0
#: A stream that was open for so long counts as a success.
_STEADY_S = 10.0
_UNACKNOWLEDGED_BEATS = 4
_TICK_S = 0.5
_OFFERS = frozenset({Capability.POLICY_OFFERS, Capability.RULE_PACK_OFFERS})
#: What refuses this host, not this attempt; the words are the controller's.
_LASTING = frozenset({"banned", "certificate-revoked", "identity-unknown"})

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """``health`` says how the agent is; it is asked before each heartbeat."""

    state_dir: Path
    health: Callable[[], AgentHealth]
    deeds: Deeds = field(default_factory=dict)
    backoff: Backoff = field(default_factory=Backoff)


class Stream:
    """Keeps one stream open in the background."""

    def __init__(self, connection: Connection, settings: StreamSettings) -> None:
        self._connection = connection
        self._settings = settings
        self._orders = Orders(settings.state_dir / "commands", settings.deeds)
        self._beats = Beats(settings.state_dir / "heartbeat.json")
        self._ending = threading.Event()
        self._session: _Session | None = None
        self._trouble = ""
        self._refused = ""
        self._failures = 0
        self._asked_pause_s = 0.0
        self._has_new_certificate = False
        self._offers: dict[str, str] = {}
        self.policy = PolicyCache(settings.state_dir / "policy.json")
        self._thread = threading.Thread(target=self._run, name="stream", daemon=True)
        self._thread.start()

    def status(self) -> dict[str, Any]:
        """What ``lockgate agent status`` shows of it."""
        session = self._session
        return {
            "open": session is not None and session.greeted,
            "trouble": self._trouble,
            "heartbeat": self._beats.acknowledged,
            "offers": dict(self._offers),
            "policy": self.policy.status(),
        }

    def weaknesses(self) -> tuple[str, ...]:
        """Why the controller serves this host no more, if it does not."""
        return (f"the controller refuses this host: {self._refused}",) if self._refused else ()

    def close(self) -> None:
        """End it."""
        self._ending.set()
        session = self._session
        if session is not None:
            session.end()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._ending.is_set():
            began = time.monotonic()
            code = self._attempt()
            steady = time.monotonic() - began > _STEADY_S
            self._failures = 0 if steady else self._failures + 1
            if not (steady and self._has_new_certificate):
                self._ending.wait(self._pause(code))

    def _pause(self, code: grpc.StatusCode | None) -> float:
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return _UNKNOWN_S * random.uniform(0.75, 1.25)  # noqa: S311 - spreads, hides nothing
        chance = random.random()  # noqa: S311
        pause = self._settings.backoff.pause(max(0, self._failures - 1), chance)
        return max(pause, self._asked_pause_s)

    def _attempt(self) -> grpc.StatusCode | None:
        """Hold one stream until it ends; the status with which it did."""
        try:
            channel = self._connection.channel()
        except CredentialsError as error:
            self._trouble = str(error)
            return None
        session = _Session(self._settings, self._orders, self._beats, self._connection)
        self._session = session
        self._has_new_certificate = False
        try:
            session.hold(channel, self._heard)
        except grpc.RpcError as error:
            return self._note_end(error)
        except OSError as error:
            self._trouble = f"the state folder refuses: {error.strerror}"
        except ValueError:
            self._trouble = "the connection was replaced"  # closed between our asking and calling
        finally:
            self._session = None
            self._has_new_certificate = session.has_new_certificate
            session.end()
        return None

    def _heard(self, message: pb.ConnectResponse) -> None:
        self._refused = self._trouble = ""
        if message.WhichOneof("content") == "offer":
            kind = convert.offer_kind_from_wire(message.offer.kind)
            if kind is not None:
                self._offered(kind, message.offer.digest)

    def _offered(self, kind: OfferKind, digest: str) -> None:
        """Something can be fetched; by another policy all that was decided is asked again."""
        changed = self._offers.get(kind.value) != digest
        self._offers[kind.value] = digest
        if kind is not OfferKind.POLICY:
            return
        forget = self._settings.deeds.get(ForgetDecisions)
        if changed and forget is not None:
            forget(ForgetDecisions())
        threading.Thread(target=self._fetch_policy, name="policy", daemon=True).start()

    def _fetch_policy(self) -> None:
        with suppress(CredentialsError, ValueError):  # no channel now; the next stream offers again
            self.policy.fetch(self._connection.channel())

    def _note_end(self, call: Any) -> grpc.StatusCode:
        """Keep why a stream ended: what ends its iteration is the call itself."""
        code: grpc.StatusCode = call.code()
        reason = reason_of(call)
        self._asked_pause_s = retry_after_s(call)
        self._refused = reason if reason in _LASTING else self._refused
        unknown = code is grpc.StatusCode.UNIMPLEMENTED
        self._trouble = "not offered by this controller" if unknown else reason or code.name.lower()
        return code


class _Session:
    """One open stream."""

    def __init__(
        self, settings: StreamSettings, orders: Orders, beats: Beats, connection: Connection
    ) -> None:
        self._settings = settings
        self._orders = orders
        self._beats = beats
        self._connection = connection
        self._generation = connection.generation
        self._said: queue.SimpleQueue[CommandReceipt | None] = queue.SimpleQueue()
        self._call: Any = None
        self._interval_s = 0.0
        self._sequence = beats.acknowledged
        self._ended = False
        self.greeted = False

    def hold(self, channel: grpc.Channel, heard: Callable[[pb.ConnectResponse], None]) -> None:
        """Speak and hear until the stream ends.

        Raises:
            grpc.RpcError: it ended by a status.
            OSError: what has to be kept could not be.
            ValueError: the channel was closed.
        """
        self._call = agent_pb2_grpc.AgentServiceStub(channel).Connect(self._say())
        if self._ended:
            self._call.cancel()
        for message in self._call:
            if wrong := violations(message):
                _log.warning("message of the controller passed over", wrong=wrong[0])
                continue
            heard(message)
            self._hear(message)

    def end(self) -> None:
        """End it; any thread may ask for it."""
        self._ended = True
        self._said.put(None)
        if self._call is not None:
            self._call.cancel()

    def _hear(self, message: pb.ConnectResponse) -> None:
        match message.WhichOneof("content"):
            case "hello":
                self._interval_s = max(1.0, float(message.hello.heartbeat_seconds))
                self.greeted = True
            case "heartbeat_ack":
                self._acknowledged(message.heartbeat_ack.sequence)
            case "command":
                self._said.put(self._obey(message.command))
            case "receipt_ack":
                self._orders.acknowledged(message.receipt_ack.command_id)

    def _acknowledged(self, sequence: int) -> None:
        """Keep what was acknowledged; more than was said may be of the stream before this one."""
        if sequence <= self._sequence:
            self._beats.acknowledge(sequence)

    def _obey(self, message: pb.Command) -> CommandReceipt:
        try:
            command = convert.command_from_wire(message)
        except convert.WireError as error:
            outcome = CommandOutcome.UNSUPPORTED
            return CommandReceipt(message.command_id, outcome, datetime.now(UTC), str(error))
        receipt = self._orders.carry_out(command)
        _log.info("command", command_id=command.command_id, outcome=receipt.outcome.value)
        return receipt

    def _say(self) -> Iterator[pb.ConnectRequest]:
        """What this side says; run by a thread of gRPC's."""
        capabilities = convert.capabilities_to_wire(self._orders.capabilities | _OFFERS)
        hello = pb.AgentHello(capabilities=capabilities, version=version("lockgate-agent"))
        yield pb.ConnectRequest(hello=hello)
        for receipt in self._orders.receipts():
            yield pb.ConnectRequest(receipt=convert.command_receipt_to_wire(receipt))
        last_health: AgentHealth | None = None
        next_beat = 0.0
        while not self._ended:
            with suppress(queue.Empty):
                said = self._said.get(timeout=_TICK_S)
                if said is None:
                    return
                yield pb.ConnectRequest(receipt=convert.command_receipt_to_wire(said))
            if self._is_stale():
                return
            if self.greeted and time.monotonic() >= next_beat:
                next_beat = time.monotonic() + self._interval_s
                health = self._settings.health()
                yield self._beat(health if health != last_health else None)
                last_health = health

    def _beat(self, health: AgentHealth | None) -> pb.ConnectRequest:
        self._sequence += 1
        wire = None if health is None else convert.health_to_wire(health)
        return pb.ConnectRequest(heartbeat=pb.Heartbeat(sequence=self._sequence, health=wire))

    @property
    def has_new_certificate(self) -> bool:
        """Whether the certificate that this stream shows was replaced."""
        return self._connection.generation != self._generation

    def _is_stale(self) -> bool:
        """Whether nobody acknowledges any more, or there is a newer certificate."""
        self._connection.refresh()
        unheard = self._sequence - self._beats.acknowledged > _UNACKNOWLEDGED_BEATS
        if unheard or self.has_new_certificate:
            self.end()
            return True
        return False

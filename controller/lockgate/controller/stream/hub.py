"""All open streams of this controller.

Rules enforced here:

1. One stream for each agent: a newer one ends the older.
2. A heartbeat is acknowledged only when it is durable; heartbeats are kept together, not one by
   one. When the store refuses, they are kept at the next turn and acknowledged then.
3. What is offered is told to every open stream and first of all to every new one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from lockgate.controller.refusals import Refusal, RefusalReason
from lockgate.controller.stream import beats
from lockgate.controller.stream.open_stream import OpenStream
from lockgate.v1 import agent_pb2 as pb
from lockgate.wire import convert
from lockgate.wire.agent import NEEDS, AgentHealth, Capability, OfferKind

_OFFER_NEEDS = {
    OfferKind.POLICY: Capability.POLICY_OFFERS,
    OfferKind.RULE_PACK: Capability.RULE_PACK_OFFERS,
}
#: Irregular numbers of one agent that are told one by one between two turns.
_MOST_ODD = 16


class Given(Enum):
    """What became of telling an agent a command."""

    TOLD = auto()
    LATER = auto()
    #: The agent has not the capability.
    BEYOND_IT = auto()


@dataclass(slots=True)
class Heard:
    """What was heard of one agent since it was last kept."""

    sequence: int
    micros: int
    health: AgentHealth | None = None
    odd: list[beats.Missing | beats.Rewound] = field(default_factory=list)


class Hub:
    """The open streams, by host. Used in one event loop."""

    def __init__(self) -> None:
        self._streams: dict[str, OpenStream] = {}
        self._offers: dict[OfferKind, Callable[[str], str]] = {}
        self._heard: dict[str, Heard] = {}
        self._closed = False

    def __len__(self) -> int:
        return len(self._streams)

    def streams(self) -> list[OpenStream]:
        """All that are open now."""
        return list(self._streams.values())

    def of(self, host: str) -> OpenStream | None:
        """The stream of a host, if it has one here."""
        return self._streams.get(host)

    def join(self, stream: OpenStream) -> None:
        """A stream was opened."""
        host = stream.peer.host
        older = self._streams.get(host)
        if older is not None:
            older.end(Refusal(RefusalReason.STREAM_REPLACED))
        self._streams[host] = stream
        if self._closed:
            stream.end(None)
        for kind, digest_of in self._offers.items():
            _offer(stream, kind, digest_of(stream.peer.host))

    def leave(self, stream: OpenStream) -> None:
        """A stream is over."""
        if self._streams.get(stream.peer.host) is stream:
            del self._streams[stream.peer.host]

    def offer(self, kind: OfferKind, digest_of: Callable[[str], str]) -> None:
        """Tell everybody, now and later, what can be fetched; ``digest_of``: by host."""
        self._offers[kind] = digest_of
        for stream in self.streams():
            _offer(stream, kind, digest_of(stream.peer.host))

    def give(self, host: str, command_id: str, body: bytes) -> Given:
        """Tell an agent a command, once on each stream. ``body``: the serialised command."""
        stream = self._streams.get(host)
        if stream is None:
            return Given.LATER
        if command_id in stream.given:
            return Given.TOLD
        command = pb.Command.FromString(body)
        if not _can(stream, command):
            return Given.BEYOND_IT
        if not stream.say(pb.ConnectResponse(command=command)):
            return Given.LATER
        stream.given.add(command_id)
        return Given.TOLD

    def beat(
        self, stream: OpenStream, sequence: int, health: AgentHealth | None, micros: int
    ) -> None:
        """A heartbeat came."""
        odd = beats.step(stream.last_beat, sequence, begins=not stream.has_beaten)
        stream.last_beat, stream.has_beaten = sequence, True
        heard = self._heard.setdefault(stream.peer.host, Heard(sequence, micros))
        heard.sequence, heard.micros = sequence, micros
        heard.health = health or heard.health
        if odd is not None and len(heard.odd) < _MOST_ODD:
            heard.odd.append(odd)

    def take_heard(self) -> dict[str, Heard]:
        """What is to be kept; give it back with :meth:`put_back` when that fails."""
        heard, self._heard = self._heard, {}
        return heard

    def put_back(self, heard: Mapping[str, Heard]) -> None:
        """It could not be kept; what came since stays newer."""
        for host, older in heard.items():
            newer = self._heard.setdefault(host, older)
            if newer is not older:
                newer.health = newer.health or older.health
                newer.odd = [*older.odd, *newer.odd][:_MOST_ODD]

    def acknowledge(self, heard: Mapping[str, Heard]) -> None:
        """It is kept."""
        for host, one in heard.items():
            stream = self._streams.get(host)
            if stream is not None:
                ack = pb.HeartbeatAck(sequence=one.sequence)
                stream.say(pb.ConnectResponse(heartbeat_ack=ack))

    def close(self) -> None:
        """End all streams, and every one that is still opened; their agents come back."""
        self._closed = True
        for stream in self.streams():
            stream.end(None)


def _can(stream: OpenStream, message: pb.Command) -> bool:
    try:
        action = convert.command_from_wire(message).action
    except convert.WireError:
        return False
    return NEEDS[type(action)] in stream.capabilities


def _offer(stream: OpenStream, kind: OfferKind, digest: str) -> None:
    if _OFFER_NEEDS[kind] not in stream.capabilities:
        return
    offer = pb.Offer(kind=convert.offer_kind_to_wire(kind), digest=digest)
    if not stream.say(pb.ConnectResponse(offer=offer)):
        stream.end(Refusal(RefusalReason.OVERLOAD))

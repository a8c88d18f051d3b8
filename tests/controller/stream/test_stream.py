"""The stream of an agent, over real mTLS with a real controller."""

import os
import signal
import time
from datetime import UTC, datetime

import grpc
import pytest

from lockgate.controller import setup
from lockgate.controller.store import reading
from lockgate.v1 import agent_pb2 as pb
from lockgate.wire.agent import AgentHealth, Capability, GuardState, ZoneHealth

HEALTH = AgentHealth(
    GuardState.DEGRADED,
    (),
    (ZoneHealth("signing", GuardState.DEGRADED, ("the holder is gone",)),),
    "ab" * 32,
)


@pytest.fixture
def database():
    """The file: what the streams ask of a database is tried on both kinds in test_commands.py."""
    return ""


def alerts(controller):
    """What was told to the outside about the gate itself."""
    told = controller.read(reading.alerts_of, 1000)
    return [each["event"]["unmapped"]["lockgate"].get("event") for each in told]


def test_both_sides_say_what_they_can(agent, connect, of_kind):
    """The controller answers a hello with its own, what it offers, and a ledger entry."""
    line = connect(agent, capabilities=[Capability.RELEASE, Capability.POLICY_OFFERS])
    (hello,) = line.wait_for("hello")
    assert hello.heartbeat_seconds == 15
    assert hello.capabilities >> pb.CAPABILITY_POLICY_OFFERS & 1
    (offer,) = line.wait_for("offer")
    assert (offer.kind, len(offer.digest)) == (pb.OFFER_KIND_POLICY, 64)
    (opened,) = of_kind("stream-opened")
    assert opened["capabilities"] == ["policy-offers", "release"]


def test_heartbeats_are_acknowledged_and_health_is_recorded_once(
    controller, agent, connect, of_kind
):
    """The tree of zones and reasons stands in the ledger when it changes, and not again."""
    line = connect(agent)
    line.beat(1, HEALTH)
    assert [ack.sequence for ack in line.wait_for("heartbeat_ack")] == [1]
    line.beat(2, HEALTH)
    assert line.wait_for("heartbeat_ack", 2)[-1].sequence == 2
    (told,) = of_kind("agent-health")
    assert told["zones"] == [
        {"zone": "signing", "state": "degraded", "reasons": ["the holder is gone"]}
    ]
    assert told["configuration_digest"] == "ab" * 32
    assert alerts(controller) == []


def test_a_missing_and_a_repeated_heartbeat_are_recorded_and_alerted(
    controller, agent, connect, of_kind
):
    """Numbers that are skipped are a gap; a step back is a lost count or a copied key."""
    line = connect(agent)
    for number in (1, 2, 5, 3):
        line.beat(number)
    (gap,), (rewound,) = of_kind("heartbeat-gap"), of_kind("heartbeat-rewound")
    assert (gap["first"], gap["last"]) == (3, 4)
    assert (rewound["from"], rewound["to"]) == (5, 3)
    assert alerts(controller) == ["heartbeat-gap", "heartbeat-rewound"]


def test_numbers_go_on_over_streams(controller, agent, connect):
    """A number whose acknowledgement was lost may be used again; nothing is missing then."""
    first = connect(agent)
    first.beat(1)
    first.wait_for("heartbeat_ack")
    first.close()
    second = connect(agent)
    second.beat(1)
    second.beat(2)
    assert second.wait_for("heartbeat_ack")[-1].sequence in {1, 2}
    third = connect(agent)
    third.beat(7)
    third.wait_for("heartbeat_ack")
    kinds = [entry["kind"] for entry in controller.entries()]
    assert kinds.count("heartbeat-gap") == 1
    assert "heartbeat-rewound" not in kinds


def test_a_newer_stream_ends_the_older(agent, connect):
    """One stream for each agent."""
    older = connect(agent)
    older.wait_for("hello")
    newer = connect(agent)
    newer.wait_for("hello")
    assert older.wait_for_end() == (grpc.StatusCode.ABORTED, "stream-replaced")
    assert not newer.ended.is_set()


def test_silence_is_recorded_and_alerted_and_its_end_too(controller, connect, of_kind):
    """Once, although it lasts."""
    controller.stop()
    controller.start(LOCKGATE_HEARTBEAT_SECONDS="2")
    agent = controller.enrol("host-1")
    line = connect(agent)
    line.beat(1)
    line.wait_for("heartbeat_ack")
    (silence,) = of_kind("silence", seconds=60)
    assert silence["host"] == "host-1"
    line.close()
    connect(agent).wait_for("hello")
    of_kind("silence-ended")
    assert alerts(controller) == ["silence", "silence-ended"]


@pytest.mark.parametrize(
    "content",
    [
        {"heartbeat": pb.Heartbeat(sequence=0)},
        {"heartbeat": pb.Heartbeat(sequence=2**64 - 1)},
        {"heartbeat": pb.Heartbeat(sequence=1, health=pb.AgentHealth(reasons=["x"] * 33))},
        {"receipt": pb.CommandReceipt(command_id="no-uuid")},
        {"hello": pb.AgentHello()},
    ],
)
def test_a_malformed_message_ends_the_stream_with_a_reason(agent, connect, of_kind, content):
    """A status, a ledger entry, no stack trace; and the next stream is served."""
    line = connect(agent)
    line.wait_for("hello")
    line.say(**content)
    assert line.wait_for_end() == (grpc.StatusCode.INVALID_ARGUMENT, "malformed")
    assert of_kind("refusal")[-1]["call"] == "Connect"
    connect(agent).wait_for("hello")


def test_without_a_hello_nothing_is_taken(controller, agent, connect):
    """Whoever begins with something else is refused."""
    line = connect(agent, hello=False)
    line.beat(1)
    assert line.wait_for_end() == (grpc.StatusCode.INVALID_ARGUMENT, "malformed")
    assert "stream-opened" not in [entry["kind"] for entry in controller.entries()]


def test_content_of_a_later_version_is_ignored(agent, connect):
    """A message whose content is not known here changes nothing."""
    line = connect(agent)
    line.wait_for("hello")
    later = pb.ConnectRequest.FromString(b"\xa2\x06\x02hi")  # field 100
    line._said.put(later)
    line.beat(1)
    line.wait_for("heartbeat_ack")


@pytest.mark.parametrize(("verb", "reason"), [("ban", "banned"), ("evict", "certificate-revoked")])
def test_who_is_turned_away_loses_the_open_stream_within_five_seconds(
    controller, agent, connect, verb, reason
):
    """Banned and evicted by another process than the one that serves."""
    line = connect(agent)
    line.wait_for("hello")
    other = connect(controller.enrol("host-2"))
    other.wait_for("hello")
    getattr(setup, verb)(controller.settings, "host-1", "stolen")
    done = time.monotonic()
    assert line.wait_for_end() == (grpc.StatusCode.PERMISSION_DENIED, reason)
    assert time.monotonic() - done < 5
    again = connect(agent)
    assert again.wait_for_end() == (grpc.StatusCode.PERMISSION_DENIED, reason)
    assert not other.ended.is_set()


def test_an_expired_certificate_loses_the_open_stream_within_five_seconds(controller, connect):
    """Although TLS checked it only when the connection began."""
    controller.stop()
    controller.start(LOCKGATE_CERTIFICATE_HOURS=str(10 / 3600))
    agent = controller.enrol("host-1")
    enrolled = datetime.now(UTC)
    line = connect(agent)
    line.wait_for("hello")
    assert line.wait_for_end() == (grpc.StatusCode.UNAUTHENTICATED, "certificate-expired")
    assert 8 < (datetime.now(UTC) - enrolled).total_seconds() < 10 + 5


def test_a_stream_that_does_not_read_is_cut_off_too(controller, agent):
    """Whose flow control is shut: its place is given up, and the host is refused again."""
    channel = agent.channel
    call = channel.stream_stream("/lockgate.v1.AgentService/Connect")

    def says():
        yield pb.ConnectRequest(hello=pb.AgentHello(version="x")).SerializeToString()
        time.sleep(600)

    stream = call(says())
    time.sleep(1)
    setup.ban(controller.settings, "host-1", "stolen")

    def refused():
        return [e for e in controller.entries() if e.get("reason") == "banned"]

    end = time.monotonic() + 60
    while not refused() and time.monotonic() < end:
        time.sleep(0.1)
    assert refused()
    stream.cancel()


def test_the_controller_stops_although_streams_are_open(controller, agent, connect):
    """Promptly, and the agent hears an end, not an error of its own."""
    line = connect(agent)
    line.wait_for("hello")
    began = time.monotonic()
    assert controller.stop(signal.SIGTERM) == os.EX_OK
    assert time.monotonic() - began < 15
    assert line.ended.wait(10)

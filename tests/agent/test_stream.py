"""The agent's end of the stream: heard in the end, obeyed once, never in the way."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "fakes"))

from stream_controller import StreamController
from transfers import a_report, a_transfer

from controller import FakeController, FakeCredentials
from lockgate.agent.config import AgentSettings
from lockgate.agent.health_report import digest_of, health_of
from lockgate.agent.uplink.backoff import Backoff
from lockgate.agent.uplink.client import ClientSettings, ControllerDecider
from lockgate.agent.uplink.connection import Connection
from lockgate.agent.uplink.orders import Deeds, OrderError
from lockgate.agent.uplink.spool import Spool
from lockgate.agent.uplink.stream import Stream, StreamSettings
from lockgate.agent.verdicts.journal import Journal
from lockgate.v1 import agent_pb2 as pb
from lockgate.wire import convert
from lockgate.wire.agent import (
    Action,
    AgentHealth,
    Command,
    ForgetDecisions,
    GuardState,
    Release,
)
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import HoldReason, Verdict

HEALTH = AgentHealth(GuardState.ENFORCING, (), (), "0" * 64)
QUICK = Backoff(0.05, 0.1)


def wait_until(check: Callable[[], Any], seconds: float = 20) -> Any:
    """What ``check`` gives as soon as it is true."""
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.02)
    return found


@pytest.fixture
def far() -> Iterator[StreamController]:
    """The other end."""
    made = StreamController()
    yield made
    made.close()


@pytest.fixture
def opened(tmp_path: Path, far: StreamController) -> Iterator[Callable[..., Stream]]:
    """Opens streams to the other end, and closes them."""
    made: list[tuple[Stream, Connection]] = []

    def make(
        deeds: Deeds | None = None,
        credentials: Any = None,
        health: Callable[[], AgentHealth] = lambda: HEALTH,
    ) -> Stream:
        connection = Connection(credentials or FakeCredentials(far.port), 1.0)
        settings = StreamSettings(tmp_path, health, deeds or {}, QUICK)
        made.append((Stream(connection, settings), connection))
        return made[-1][0]

    yield make
    for stream, connection in made:
        stream.close()
        connection.close()


def told(action: Action, life: timedelta = timedelta(hours=1)) -> pb.Command:
    """A command as it comes."""
    return convert.command_to_wire(Command(uuid7(), datetime.now(UTC) + life, action))


def receipts(far: StreamController, count: int = 1) -> list[Any]:
    """The receipts that came, once there are so many."""
    return wait_until(lambda: len(far.of("receipt")) >= count and far.of("receipt"))


def test_hello_then_numbered_heartbeats_with_health_when_it_changes(
    far: StreamController, opened: Callable[..., Stream]
) -> None:
    """The first heartbeat has the health, further ones only another health."""
    healths = [HEALTH]
    stream = opened(health=lambda: healths[0])
    wait_until(lambda: len(far.of("heartbeat")) >= 2)
    healths[0] = AgentHealth(GuardState.BLIND, ("no mark",), (), "0" * 64)
    wait_until(lambda: len(far.of("heartbeat")) >= 4)
    assert far.heard[0].WhichOneof("content") == "hello"
    beats = far.of("heartbeat")
    assert [beat.sequence for beat in beats] == list(range(1, len(beats) + 1))
    with_health = [beat for beat in beats if beat.HasField("health")]
    assert [beat.health.state for beat in with_health] == [
        pb.GUARD_STATE_ENFORCING,
        pb.GUARD_STATE_BLIND,
    ]
    assert stream.status()["open"]


def test_heartbeats_go_on_over_streams_and_restarts(
    far: StreamController, opened: Callable[..., Stream]
) -> None:
    """From the last number that was acknowledged; no number of those comes again."""
    stream = opened()
    wait_until(lambda: stream.status()["heartbeat"] >= 2)
    far.end_stream()
    wait_until(lambda: far.streams == 2 and stream.status()["heartbeat"] >= 3)
    stream.close()
    again = opened()
    wait_until(lambda: again.status()["heartbeat"] >= 5)
    numbers = [beat.sequence for beat in far.of("heartbeat")]
    assert sorted(set(numbers)) == list(range(1, max(numbers) + 1))


def test_a_stream_on_which_nothing_is_acknowledged_is_given_up(
    far: StreamController, opened: Callable[..., Stream]
) -> None:
    """And the numbers that nobody acknowledged are used again."""
    far.acknowledges = False
    opened()
    wait_until(lambda: far.streams >= 2)
    assert max(beat.sequence for beat in far.of("heartbeat")) <= 5


def test_a_command_is_done_once_and_receipted_until_that_is_acknowledged(
    far: StreamController, opened: Callable[..., Stream], tmp_path: Path
) -> None:
    """Told twice, and again after a restart: one deed, the same receipt each time."""
    far.acknowledges = False
    done: list[Release] = []

    def release(action: Release) -> str:
        done.append(action)
        return "asked again"

    stream = opened({Release: release})
    command = told(Release(uuid7()))
    wait_until(lambda: stream.status()["open"])
    far.say(command=command)
    receipts(far)
    far.say(command=command)
    receipts(far, 2)
    stream.close()
    far.acknowledges = True
    opened({Release: release})
    first, *others = receipts(far, 3)
    assert all(other == first for other in others)
    assert (first.outcome, first.detail) == (pb.COMMAND_OUTCOME_DONE, "asked again")
    assert len(done) == 1
    wait_until(lambda: not list((tmp_path / "commands").glob("*.json")))


def fails(_action: ForgetDecisions) -> str:
    """A deed that cannot be done."""
    raise OrderError("there is nothing to forget")


def breaks(_action: ForgetDecisions) -> str:
    """A deed with a fault."""
    raise KeyError("a path of somebody")


@pytest.mark.parametrize(
    ("deeds", "life", "outcome", "detail"),
    [
        ({}, 1, pb.COMMAND_OUTCOME_UNSUPPORTED, ""),
        ({ForgetDecisions: lambda _: "ok"}, -1, pb.COMMAND_OUTCOME_EXPIRED, ""),
        ({ForgetDecisions: fails}, 1, pb.COMMAND_OUTCOME_FAILED, "there is nothing to forget"),
        ({ForgetDecisions: breaks}, 1, pb.COMMAND_OUTCOME_FAILED, "the agent failed: KeyError"),
    ],
)
def test_what_is_not_done_is_receipted_too(
    far: StreamController,
    opened: Callable[..., Stream],
    deeds: Deeds,
    life: int,
    outcome: int,
    detail: str,
) -> None:
    """With the reason, and without the text of a fault."""
    stream = opened(deeds)
    wait_until(lambda: stream.status()["open"])
    far.say(command=told(ForgetDecisions(), timedelta(hours=life)))
    (receipt,) = receipts(far)
    assert (receipt.outcome, receipt.detail) == (outcome, detail)


def test_a_command_of_a_later_version_is_receipted_as_unsupported(
    far: StreamController, opened: Callable[..., Stream]
) -> None:
    """And an offer or message that is not known is passed over."""
    stream = opened()
    wait_until(lambda: stream.status()["open"])
    command = told(ForgetDecisions())
    command.ClearField("forget_decisions")
    far.say()
    far.say(offer=pb.Offer(kind=99, digest="0" * 64))  # type: ignore[arg-type]  # not of this version
    far.say(offer=pb.Offer(kind=pb.OFFER_KIND_RULE_PACK, digest="1" * 64))
    far.say(command=command)
    (receipt,) = receipts(far)
    assert receipt.outcome == pb.COMMAND_OUTCOME_UNSUPPORTED
    assert stream.status()["offers"] == {"rule-pack": "1" * 64}


def test_what_no_controller_says_is_passed_over(
    far: StreamController, opened: Callable[..., Stream], tmp_path: Path
) -> None:
    """No name of it becomes a path, and no number of it is kept."""
    stream = opened()
    wait_until(lambda: stream.status()["heartbeat"] >= 1)
    outside = tmp_path / "victim.json"
    outside.write_text("{}")
    far.say(receipt_ack=pb.CommandReceiptAck(command_id="../victim"))
    far.say(heartbeat_ack=pb.HeartbeatAck(sequence=2**64 - 1))
    far.say(offer=pb.Offer(kind=pb.OFFER_KIND_POLICY, digest="x" * 5000))
    before = stream.status()["heartbeat"]
    wait_until(lambda: before < stream.status()["heartbeat"] < 1000)
    assert outside.exists()
    assert stream.status()["offers"] == {}


def test_another_policy_ends_the_use_of_what_was_decided_before(
    far: StreamController, opened: Callable[..., Stream]
) -> None:
    """Each time another one is offered; not when the same is, and not by a rule pack."""
    forgotten: list[Action] = []

    def forget(action: Action) -> str:
        forgotten.append(action)
        return ""

    stream = opened({ForgetDecisions: forget})
    wait_until(lambda: stream.status()["open"])
    for digest in ("1", "1", "2", "1"):
        far.say(offer=pb.Offer(kind=pb.OFFER_KIND_POLICY, digest=digest * 64))
    far.say(offer=pb.Offer(kind=pb.OFFER_KIND_RULE_PACK, digest="3" * 64))
    wait_until(lambda: "rule-pack" in stream.status()["offers"])
    assert forgotten == [ForgetDecisions()] * 3
    wait_until(lambda: stream.status()["policy"]["trouble"] == "not fetched: unimplemented")


def test_a_new_certificate_gets_a_new_stream(
    far: StreamController, opened: Callable[..., Stream]
) -> None:
    """The old one shows a certificate that ends."""
    credentials = FakeCredentials(far.port)
    stream = opened(credentials=credentials)
    wait_until(lambda: stream.status()["heartbeat"] >= 1)
    credentials.generation += 1
    wait_until(lambda: far.streams == 2 and stream.status()["open"])


@pytest.mark.parametrize("reason", ["banned", "certificate-revoked"])
def test_a_host_that_was_turned_away_says_so(
    far: StreamController, opened: Callable[..., Stream], reason: str
) -> None:
    """Among the reasons of its state, until it is served again."""
    far.refuse = (grpc.StatusCode.PERMISSION_DENIED, reason)
    stream = opened()
    wait_until(stream.weaknesses)
    assert stream.weaknesses() == (f"the controller refuses this host: {reason}",)
    far.refuse = None
    wait_until(lambda: stream.status()["open"])
    assert stream.weaknesses() == ()


def decider(tmp_path: Path, port: int, within: float = 15.0) -> ControllerDecider:
    """A client with its state in ``tmp_path``."""
    settings = ClientSettings("host", tmp_path, within, 1 << 20)
    spool = Spool(tmp_path / "spool", limit=1 << 20)
    credentials: Any = FakeCredentials(port)
    return ControllerDecider(settings, credentials, spool, Journal(tmp_path / "journal"))


def one_decision(client: ControllerDecider) -> Any:
    """The next decision."""
    ((_, decision),) = wait_until(client.collect)
    return decision


def test_a_controller_of_the_previous_version_is_asked_without_a_stream(tmp_path: Path) -> None:
    """It knows no such service: decisions go on, and status says why there is no stream."""
    old = FakeController()
    client = decider(tmp_path, old.port)
    client.open_stream(StreamSettings(tmp_path, lambda: HEALTH, {}, QUICK))
    wait_until(lambda: client.status()["stream"]["trouble"] == "not offered by this controller")
    client.request(1, a_transfer(), a_report())
    assert one_decision(client).verdict is Verdict.ALLOW
    assert client.weaknesses() == ()
    client.close()
    old.close()


def test_a_deed_that_hangs_holds_up_no_decision(tmp_path: Path) -> None:
    """Commands have a thread of their own, and heartbeats go on beside them."""
    hanging, letting_go = threading.Event(), threading.Event()

    def hang(_action: ForgetDecisions) -> str:
        hanging.set()
        letting_go.wait(60)
        return ""

    far = StreamController()
    stream = Stream(
        Connection(FakeCredentials(far.port), 1.0),
        StreamSettings(tmp_path / "s", lambda: HEALTH, {ForgetDecisions: hang}, QUICK),
    )
    near = FakeController()
    client = decider(tmp_path / "c", near.port)
    wait_until(lambda: stream.status()["open"])
    far.say(command=told(ForgetDecisions()))
    assert hanging.wait(20)
    client.request(1, a_transfer(), a_report())
    assert one_decision(client).verdict is Verdict.ALLOW
    before = len(far.of("heartbeat"))
    wait_until(lambda: len(far.of("heartbeat")) > before)
    letting_go.set()
    for each in (stream, client, far, near):
        each.close()


def test_overload_is_a_hold_and_never_an_allow(tmp_path: Path) -> None:
    """A controller that asks to be left alone is, and what waits for it is held as overload."""
    busy = FakeController()
    busy.refuse, busy.reason = grpc.StatusCode.RESOURCE_EXHAUSTED, "overload"
    busy.retry_ms = 700
    client = decider(tmp_path, busy.port, within=5.0)
    client.request(1, a_transfer(), a_report())
    held = one_decision(client)
    assert (held.verdict, held.hold_reason) == (Verdict.HOLD, HoldReason.OVERLOAD)
    assert 2 <= len(busy.told) <= 8  # five seconds, with 0.7 between: not every 0.2
    busy.refuse = None
    client.request(2, a_transfer(), a_report())
    assert one_decision(client).verdict is Verdict.ALLOW
    client.close()
    busy.close()


@pytest.mark.parametrize("hint", ["", "soon", "-5", "9" * 30, "1e3"])
def test_a_hint_that_makes_no_sense_costs_at_most_a_minute(hint: str) -> None:
    """Whatever a controller writes there."""
    from lockgate.agent.uplink.answers import retry_after_s

    class Call:
        def trailing_metadata(self) -> Any:
            return (("lockgate-retry-after-ms", hint),)

    assert 0 <= retry_after_s(Call()) <= 60


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_pauses_grow_to_a_bound_and_are_spread(failures: int, chance: float) -> None:
    """Never shorter than half of what is due, never longer than the bound."""
    pause = Backoff().pause(failures, chance)
    assert 1.0 <= pause <= 30.0
    assert pause <= Backoff().pause(failures + 1, chance)


def test_the_configuration_digest_is_of_what_is_in_effect() -> None:
    """The same settings have the same digest, any other setting another."""
    assert digest_of(AgentSettings(host="a")) == digest_of(AgentSettings(host="a"))
    assert digest_of(AgentSettings(host="a")) != digest_of(AgentSettings(host="b"))


def test_the_health_told_is_that_of_status() -> None:
    """As well as the worst zone, with every reason."""
    zones = [
        {"name": "a", "state": "enforcing", "reasons": []},
        {"name": "b", "state": "blind", "reasons": ["no mark"]},
    ]
    health = health_of(zones, ["the holder is gone"], "0" * 64)
    assert health.state is GuardState.BLIND
    assert [(zone.zone, zone.reasons) for zone in health.zones] == [("a", ()), ("b", ("no mark",))]
    assert health.reasons == ("the holder is gone",)

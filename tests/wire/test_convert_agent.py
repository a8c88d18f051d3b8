"""What is said on the agent's stream: nothing is lost, nothing unknown becomes milder."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.v1 import agent_pb2 as pb
from lockgate.wire import agent as said
from lockgate.wire import convert
from lockgate.wire.convert import agent as maps
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import FileIdentity, Zone
from lockgate.wire.validate import violations

MAPS = [
    (maps.CAPABILITIES, said.Capability, pb.Capability),
    (maps.GUARD_STATES, said.GuardState, pb.GuardState),
    (maps.OFFER_KINDS, said.OfferKind, pb.OfferKind),
    (maps.COMMAND_OUTCOMES, said.CommandOutcome, pb.CommandOutcome),
]
plain = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), max_size=20)
names = plain.filter(bool)
numbers = st.integers(0, 2**63 - 1)
hexes = st.text("0123456789abcdef", min_size=64, max_size=64)
times = st.integers(0, 7 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
ids = st.builds(lambda _: uuid7(), st.none())
zones = st.builds(Zone, names, signing=st.booleans())
reasons = st.lists(plain, max_size=3).map(tuple)
actions = st.one_of(
    st.builds(said.Release, ids, st.just("") | hexes),
    st.builds(
        said.QuarantineFile,
        ids,
        zones,
        plain,
        st.builds(FileIdentity, numbers, numbers, numbers, numbers, numbers),
    ),
    st.builds(said.Restore, plain, zones),
    st.builds(said.Rescan, zones),
    st.just(said.ForgetDecisions()),
)
healths = st.builds(
    said.AgentHealth,
    st.sampled_from(said.GuardState),
    reasons,
    st.lists(
        st.builds(said.ZoneHealth, names, st.sampled_from(said.GuardState), reasons), max_size=3
    ).map(tuple),
    hexes,
    st.just("") | hexes,
)


@pytest.mark.parametrize(("mapping", "words", "enum"), MAPS)
def test_words_and_enum_numbers_match_one_to_one(mapping, words, enum):
    """Every word has its number and every number but UNSPECIFIED its word."""
    assert {mapping.number(word) for word in words} == set(enum.values()) - {0}
    assert all(mapping.word(mapping.number(word)) is word for word in words)


@given(st.builds(said.Command, ids, times, actions))
def test_a_command_survives_the_wire(command):
    """Whatever action it holds, and the message keeps the bounds."""
    message = convert.command_to_wire(command)
    assert violations(message) == ()
    assert convert.command_from_wire(pb.Command.FromString(message.SerializeToString())) == command


@given(healths)
def test_health_survives_the_wire(health):
    """Agent, zones and reasons."""
    message = convert.health_to_wire(health)
    assert violations(message) == ()
    assert convert.health_from_wire(message) == health


@given(st.builds(said.CommandReceipt, ids, st.sampled_from(said.CommandOutcome), times, plain))
def test_a_receipt_survives_the_wire(receipt):
    """Outcome, detail and time."""
    message = convert.command_receipt_to_wire(receipt)
    assert violations(message) == ()
    assert convert.command_receipt_from_wire(message) == receipt


@given(st.sets(st.sampled_from(said.Capability)), st.integers(0, 2**20))
def test_unknown_capability_bits_are_ignored(known, later):
    """Bits that no version here has given a meaning to change nothing."""
    bits = convert.capabilities_to_wire(known)
    assert bits & 1 == 0
    assert convert.capabilities_from_wire(bits | later << 40 | 1) == known


def test_what_is_not_known_is_the_strictest():
    """An unknown state is blind, an unknown outcome a failure, an unknown offer no offer."""
    health = convert.health_from_wire(pb.AgentHealth(state=99, zones=[pb.ZoneHealth(name="z")]))
    assert {health.state, health.zones[0].state} == {said.GuardState.BLIND}
    receipt = said.CommandReceipt(uuid7(), said.CommandOutcome.DONE, datetime.now(UTC))
    message = convert.command_receipt_to_wire(receipt)
    message.outcome = 99
    assert convert.command_receipt_from_wire(message).outcome is said.CommandOutcome.FAILED
    assert convert.offer_kind_from_wire(99) is None


def test_a_command_of_a_later_version_cannot_be_read():
    """An action that is not known is an error of its own, never another action."""
    command = said.Command(uuid7(), datetime.now(UTC), said.ForgetDecisions())
    message = convert.command_to_wire(command)
    message.ClearField("forget_decisions")
    with pytest.raises(convert.WireError, match="action"):
        convert.command_from_wire(message)


def test_long_lists_are_cut_to_their_bounds():
    """An agent with more zones and reasons than fit still tells what fits."""
    zone = said.ZoneHealth("z" * 300, said.GuardState.BLIND, ("r" * 2000,) * 50)
    health = said.AgentHealth(said.GuardState.BLIND, ("r",) * 50, (zone,) * 300, "0" * 64)
    assert violations(convert.health_to_wire(health)) == ()

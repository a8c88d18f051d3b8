"""The state of a zone from facts: what makes it blind, what only degraded, and what is told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.agent.health import (
    Changes,
    ZoneFacts,
    change_between,
    judge,
    worst,
)
from lockgate.wire.agent import GuardState, ZoneHealth
from lockgate.wire.transfer import GuardChange

INTERVAL_S = 60.0
SENTENCES = st.lists(st.sampled_from(["the first", "the second", "the third"]), max_size=3)
ZONES = st.builds(
    ZoneFacts,
    zone=st.just("z"),
    holds=st.booleans(),
    marked=st.booleans(),
    moved=st.booleans(),
    leaks=SENTENCES.map(tuple),
    doubts=SENTENCES.map(tuple),
    proved=st.booleans(),
    without_proof_s=st.floats(min_value=0, max_value=1e9),
)
HEALTHS = st.builds(judge, ZONES, SENTENCES, st.just(INTERVAL_S))
WELL = ZoneFacts("z")


@given(ZONES, SENTENCES)
def test_only_enforcing_has_no_reasons(zone: ZoneFacts, lacks: list[str]) -> None:
    """Whoever reads a state that is less than whole reads why."""
    health = judge(zone, lacks, INTERVAL_S)
    assert (health.state is GuardState.ENFORCING) == (not health.reasons)
    assert len(set(health.reasons)) == len(health.reasons)


@given(ZONES, SENTENCES)
def test_blind_is_what_may_let_opens_pass_and_nothing_else(
    zone: ZoneFacts, lacks: list[str]
) -> None:
    """No mark, a leak, no proof for three intervals, or a mode that holds nothing."""
    unproven = zone.without_proof_s > 3 * INTERVAL_S
    blind = not (zone.holds and zone.marked) or zone.moved or zone.leaks or unproven
    assert (judge(zone, lacks, INTERVAL_S).state is GuardState.BLIND) == bool(blind)


@given(ZONES, SENTENCES, SENTENCES)
def test_a_further_weakness_never_makes_a_state_better(
    zone: ZoneFacts, lacks: list[str], more: list[str]
) -> None:
    """States only fall when something breaks."""
    order = [GuardState.ENFORCING, GuardState.DEGRADED, GuardState.BLIND]
    before = judge(zone, lacks, INTERVAL_S).state
    for worse_zone, more_lacks in (
        (replace(zone, marked=False), lacks),
        (replace(zone, moved=True), lacks),
        (replace(zone, doubts=(*zone.doubts, *more)), lacks),
        (replace(zone, leaks=(*zone.leaks, *more)), lacks),
        (zone, [*lacks, *more]),
    ):
        after = judge(worse_zone, more_lacks, INTERVAL_S).state
        assert order.index(after) >= order.index(before)


@pytest.mark.parametrize(
    ("zone", "lacks", "reason"),
    [
        (replace(WELL, marked=False), [], "no mark"),
        (replace(WELL, moved=True), [], "another filesystem"),
        (replace(WELL, leaks=("mmap of a pem file",)), [], "came out: mmap"),
        (replace(WELL, without_proof_s=181), [], "three intervals"),
        (replace(WELL, holds=False), [], "holds no opens"),
        (WELL, ["the quarantine is full"], "quarantine is full"),
        (replace(WELL, proved=False), [], "yet"),
        (replace(WELL, doubts=("refused by chance",)), [], "by chance"),
    ],
)
def test_what_is_wrong_is_the_reason(zone: ZoneFacts, lacks: list[str], reason: str) -> None:
    """Each single fault is named, alone."""
    (only,) = judge(zone, lacks, INTERVAL_S).reasons
    assert reason in only


def test_an_interval_without_a_proof_is_not_blindness() -> None:
    """One round that fails, or two, do not call anybody."""
    late = replace(WELL, without_proof_s=3 * INTERVAL_S)
    assert judge(late, [], INTERVAL_S).state is GuardState.ENFORCING


@given(st.lists(HEALTHS, max_size=4))
def test_an_agent_is_as_well_as_its_worst_zone(zones: list[ZoneHealth]) -> None:
    """And blind when it has none."""
    states = {zone.state for zone in zones}
    if not states or GuardState.BLIND in states:
        assert worst(zones) is GuardState.BLIND
    elif GuardState.DEGRADED in states:
        assert worst(zones) is GuardState.DEGRADED
    else:
        assert worst(zones) is GuardState.ENFORCING


@given(st.lists(HEALTHS, min_size=1, max_size=6))
def test_every_change_is_told_once(course: list[ZoneHealth]) -> None:
    """What was told last always gives the state that is; what lasts is not told again."""
    meaning = {
        GuardChange.ARMED: GuardState.ENFORCING,
        GuardChange.RECOVERED: GuardState.ENFORCING,
        GuardChange.DEGRADED: GuardState.DEGRADED,
        GuardChange.BLIND: GuardState.BLIND,
    }
    before: ZoneHealth | None = None
    for now in course:
        change = change_between(before, now)
        assert (change is None) == (before == now)
        if change is not None:
            assert meaning[change] is now.state
            assert (change is GuardChange.ARMED) <= (before is None)
        before = now


@given(st.lists(HEALTHS, max_size=8))
def test_what_does_not_last_is_not_told(course: list[ZoneHealth]) -> None:
    """A judgement is told when it was made twice in a row, and then once."""
    changes = Changes()
    told = [changes.observe(now) for now in course]
    for at, change in enumerate(told):
        if change is not None:
            assert course[at] == course[at - 1]
            assert told[at - 1] is None


def test_a_zone_that_falls_and_rises_is_told_three_times() -> None:
    """Armed, blind with its reason, recovered; each once, however long it lasts."""
    well = judge(WELL, [], INTERVAL_S)
    blind = judge(replace(WELL, marked=False), [], INTERVAL_S)
    changes = Changes()
    told = [changes.observe(now) for now in (well,) * 3 + (blind,) * 3 + (well,) * 3]
    assert [change for change in told if change] == [
        GuardChange.ARMED,
        GuardChange.BLIND,
        GuardChange.RECOVERED,
    ]

"""The state of a zone from facts: what makes it blind, what only degraded, and what is told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.agent.health import (
    GuardState,
    HostFacts,
    ZoneFacts,
    ZoneHealth,
    change_between,
    judge,
    worst,
)
from lockgate.wire.transfer import GuardChange

INTERVAL_S = 60.0
SENTENCES = st.lists(st.sampled_from(["the first", "the second", "the third"]), max_size=3)
ZONES = st.builds(
    ZoneFacts,
    zone=st.just("z"),
    holds=st.booleans(),
    marked=st.booleans(),
    leaks=SENTENCES.map(tuple),
    doubts=SENTENCES.map(tuple),
    proved=st.booleans(),
    without_proof_s=st.floats(min_value=0, max_value=1e9),
)
HOSTS = st.builds(HostFacts, holder=st.booleans(), weaknesses=SENTENCES.map(tuple))
HEALTHS = st.builds(judge, ZONES, HOSTS, st.just(INTERVAL_S))
WELL = ZoneFacts("z")


@given(ZONES, HOSTS)
def test_only_enforcing_has_no_reasons(zone: ZoneFacts, host: HostFacts) -> None:
    """Whoever reads a state that is less than whole reads why."""
    health = judge(zone, host, INTERVAL_S)
    assert (health.state is GuardState.ENFORCING) == (not health.reasons)
    assert len(set(health.reasons)) == len(health.reasons)


@given(ZONES, HOSTS)
def test_blind_is_what_may_let_opens_pass_and_nothing_else(
    zone: ZoneFacts, host: HostFacts
) -> None:
    """No mark, a leak, no proof for three intervals, or a mode that holds nothing."""
    blind = not zone.holds or not zone.marked or zone.leaks or zone.without_proof_s > 3 * INTERVAL_S
    assert (judge(zone, host, INTERVAL_S).state is GuardState.BLIND) == bool(blind)


@given(ZONES, HOSTS, SENTENCES)
def test_a_further_weakness_never_makes_a_state_better(
    zone: ZoneFacts, host: HostFacts, more: list[str]
) -> None:
    """States only fall when something breaks."""
    order = [GuardState.ENFORCING, GuardState.DEGRADED, GuardState.BLIND]
    before = judge(zone, host, INTERVAL_S).state
    for worse_zone, worse_host in (
        (replace(zone, marked=False), host),
        (replace(zone, doubts=(*zone.doubts, *more)), host),
        (replace(zone, leaks=(*zone.leaks, *more)), host),
        (zone, replace(host, holder=False)),
        (zone, replace(host, weaknesses=(*host.weaknesses, *more))),
    ):
        after = judge(worse_zone, worse_host, INTERVAL_S).state
        assert order.index(after) >= order.index(before)


@pytest.mark.parametrize(
    ("zone", "host", "reason"),
    [
        (replace(WELL, marked=False), HostFacts(), "no mark"),
        (replace(WELL, leaks=("mmap of a pem file",)), HostFacts(), "came out: mmap"),
        (replace(WELL, without_proof_s=181), HostFacts(), "three intervals"),
        (replace(WELL, holds=False), HostFacts(), "holds no opens"),
        (WELL, HostFacts(holder=False), "no holder"),
        (WELL, HostFacts(weaknesses=("the quarantine is full",)), "quarantine is full"),
        (replace(WELL, proved=False), HostFacts(), "yet"),
        (replace(WELL, doubts=("refused by chance",)), HostFacts(), "by chance"),
    ],
)
def test_what_is_wrong_is_the_reason(zone: ZoneFacts, host: HostFacts, reason: str) -> None:
    """Each single fault is named, alone."""
    (only,) = judge(zone, host, INTERVAL_S).reasons
    assert reason in only


def test_an_interval_without_a_proof_is_not_blindness() -> None:
    """One round that fails, or two, do not call anybody."""
    late = replace(WELL, without_proof_s=3 * INTERVAL_S)
    assert judge(late, HostFacts(), INTERVAL_S).state is GuardState.ENFORCING


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

"""Crash loops keep the first dumps of an hour."""

from __future__ import annotations

from dataclasses import replace

from cores import a_crash, an_entry
from hypothesis import given
from hypothesis import strategies as st

from lockgate.agent.intake.entry import State
from lockgate.agent.intake.loops import WINDOW_S, CrashLoops


def test_the_fourth_crash_of_an_hour_keeps_no_dump() -> None:
    """Three are kept, then metadata only, until the hour is over."""
    loops = CrashLoops(3)
    assert [loops.keeps("a", 100.0 + n) for n in range(5)] == [True, True, True, False, False]
    assert loops.keeps("a", 100.0 + WINDOW_S)


def test_another_place_has_its_own_count() -> None:
    """A loop takes nothing from others."""
    loops = CrashLoops(1)
    assert loops.keeps("a", 0.0)
    assert loops.keeps("b", 0.0)
    assert not loops.keeps("a", 1.0)


def test_a_clock_set_back_ends_no_counting_for_ever() -> None:
    """Times of a future that never came are forgotten."""
    loops = CrashLoops(1)
    assert loops.keeps("a", 1_000_000.0)
    assert loops.keeps("a", 10.0)


def test_a_new_intake_remembers_what_was_kept() -> None:
    """A restart gives a loop no three dumps more."""
    kept = replace(an_entry(a_crash(signature="a")), state=State.SEALED)
    when = 1767225600.0  # the time of the entry
    loops = CrashLoops.remembering(1, [kept])
    assert not loops.keeps("a", when + 10)


@given(st.lists(st.floats(0, 3 * WINDOW_S), min_size=1, max_size=60), st.integers(1, 4))
def test_never_more_than_the_bound_in_any_hour(times: list[float], bound: int) -> None:
    """Whatever the times of the crashes."""
    loops = CrashLoops(bound)
    kept = [t for t in sorted(times) if loops.keeps("a", t)]
    assert all(sum(t - WINDOW_S < k <= t for k in kept) <= bound for t in kept)

"""Numbers of heartbeats and silence, and the hub that collects them: pure."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lockgate.controller.stream.beats import Missing, Rewound, Watch, step


@given(st.integers(0, 100), st.integers(1, 100), st.booleans())
def test_every_step_but_one_forward_is_told(last, sequence, begins):
    """One more is nothing; the same again is nothing at the beginning of a stream only."""
    told = step(last, sequence, begins=begins)
    if sequence == last + 1 or (sequence == last and begins):
        assert told is None
    elif sequence > last:
        assert told == Missing(last + 1, sequence - 1)
    else:
        assert told == Rewound(last, sequence)


@given(st.lists(st.integers(1, 30), min_size=1))
def test_what_is_missing_is_exactly_what_never_came(numbers):
    """Of numbers that only rise, every one that was skipped is told once."""
    last, missing = 0, set()
    for number in sorted(set(numbers)):
        told = step(last, number, begins=False)
        if isinstance(told, Missing):
            missing |= set(range(told.first, told.last + 1))
        last = number
    assert missing == set(range(1, max(numbers))) - set(numbers)


def test_silence_begins_when_nothing_changes_for_the_patience():
    """And a start of the watch gives everybody the whole time."""
    watch = Watch(10.0)
    assert watch.look([("a", 1), ("b", 1)], 1000.0) == []
    assert watch.look([("a", 2), ("b", 1)], 1009.0) == []
    assert watch.look([("a", 2), ("b", 1)], 1010.0) == ["b"]
    assert watch.look([("a", 2)], 1018.0) == []
    assert watch.look([("a", 2), ("b", 1)], 1020.0) == ["a"]


def test_the_wall_clock_makes_nobody_silent():
    """Marks are only compared for being equal: one that is earlier is a sign of life too."""
    watch = Watch(10.0)
    now = datetime.now(UTC)
    marks = [now, now + timedelta(days=9), now - timedelta(days=9)]
    for turn, mark in enumerate(marks):
        assert watch.look([("a", int(mark.timestamp()))], 9.0 * turn) == []

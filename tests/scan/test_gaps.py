"""Gaps are never lost and never endless."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lockgate.scan.gaps import Gaps
from lockgate.scan.report import Gap, GapReason

RANGES = st.tuples(st.integers(0, 500), st.integers(1, 20))


@given(ranges=st.lists(RANGES, max_size=600))
def test_every_byte_of_every_gap_stays_in_a_gap(ranges):
    """Joining and spanning may widen gaps, never shrink them."""
    gaps = Gaps()
    gaps.update(Gap(GapReason.UNDECIDED, "m", offset, length) for offset, length in ranges)

    told = list(gaps)

    for offset, length in ranges:
        assert any(
            g.offset <= offset and offset + length <= g.offset + g.length
            for g in told
            if g.offset is not None and g.length is not None
        )
    assert all(a.offset + a.length < b.offset for a, b in pairwise(told))


def test_gaps_that_touch_become_one():
    """Two ranges in a row of one kind are one gap; another reason stays apart."""
    gaps = Gaps()
    gaps.add(Gap(GapReason.BUDGET, None, 100, 50))
    gaps.add(Gap(GapReason.BUDGET, None, 0, 100))
    gaps.add(Gap(GapReason.DAMAGED, None, 150, 10))

    assert list(gaps) == [
        Gap(GapReason.BUDGET, None, 0, 150),
        Gap(GapReason.DAMAGED, None, 150, 10),
    ]


def test_a_million_gaps_become_few():
    """Memory and report stay small, whatever a hostile file holds."""
    gaps = Gaps()
    for i in range(100_000):
        gaps.add(Gap(GapReason.UNDECIDED, None, 10 * i, 1))
        gaps.add(Gap(GapReason.ENCRYPTED, f"member {i}"))

    told = list(gaps)

    assert len(told) < 10_000
    assert {g.reason for g in told} == {GapReason.UNDECIDED, GapReason.ENCRYPTED}

"""Intervals of time: every operation is that of sets of moments."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lockgate.controller.evidence.intervals import difference, intersection, total, union

PARTS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=6)


def moments(parts):
    """The moments that are in any of them."""
    return {moment for start, end in parts for moment in range(start, end)}


def is_normal(parts):
    """Whether they are sorted, not empty, and neither overlap nor touch."""
    ends = [moment for part in parts for moment in part]
    return all(before < after for before, after in pairwise(ends))


@given(PARTS, PARTS)
def test_every_operation_is_that_of_sets(left, right):
    """Union, intersection, difference and length, and their results are in normal form."""
    for made, expected in (
        (union(left, right), moments(left) | moments(right)),
        (intersection(left, right), moments(left) & moments(right)),
        (difference(left, right), moments(left) - moments(right)),
    ):
        assert moments(made) == expected
        assert is_normal(made)
        assert total(made) == len(expected)

"""What a scan is expected to take, from scans that ended."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lockgate.agent.workers.rates import (
    ASSUMED_BYTES_PER_S,
    ASSUMED_FIXED_S,
    SMALL_BYTES,
    Rates,
)

MIB = 1 << 20


def test_before_any_scan_the_estimate_is_cautious() -> None:
    """An agent that has measured nothing believes that scans are slow."""
    rates = Rates()
    assert rates.estimate_s(0) == ASSUMED_FIXED_S
    assert rates.estimate_s(1 << 30) >= (1 << 30) / ASSUMED_BYTES_PER_S


def test_a_large_file_is_estimated_from_large_files() -> None:
    """Small files say nothing about the bytes per second of a dump."""
    rates = Rates()
    for _ in range(20):
        rates.note(1000, 0.002)
        rates.note(512 * MIB, 5.0)
    assert rates.estimate_s(1000) == 0.002
    assert 9 < rates.estimate_s(1024 * MIB) < 11


def test_a_size_between_two_measured_ones_takes_the_slower() -> None:
    """Of two classes as near, the estimate follows the slower one."""
    rates = Rates()
    rates.note(MIB, 0.1)
    rates.note(4 * MIB, 4.0)
    assert rates.estimate_s(2 * MIB) > 1.5


def test_small_files_make_no_large_one_look_slow() -> None:
    """A file of 24 MiB is not refused at once because one of 100 KB was slow; it may look fast."""
    rates = Rates()
    rates.note(100_000, 0.3)
    assert rates.estimate_s(24 * MIB) < 2
    quick = Rates()
    quick.note(100_000, 0.001)
    assert quick.estimate_s(24 * MIB) < 0.5


def test_one_odd_scan_moves_nothing() -> None:
    """A single scan that hung does not make all later ones look slow."""
    rates = Rates()
    for _ in range(20):
        rates.note(8 * MIB, 0.1)
    before = rates.estimate_s(8 * MIB)
    rates.note(8 * MIB, 600.0)
    assert rates.estimate_s(8 * MIB) < 2 * before


@given(
    st.lists(st.tuples(st.integers(0, 1 << 40), st.floats(0, 1e5)), max_size=60),
    st.integers(0, 1 << 41),
)
def test_an_estimate_is_never_negative_and_never_less_for_more_bytes_of_a_class(
    notes: list[tuple[int, float]], size: int
) -> None:
    """Whatever was measured, more bytes of the same class never take less time."""
    rates = Rates()
    for noted, seconds in notes:
        rates.note(noted, seconds)
    top = max(size, (1 << size.bit_length()) - 1)
    assert rates.estimate_s(size) >= 0
    if size >= SMALL_BYTES:
        assert rates.estimate_s(size) <= rates.estimate_s(top)

"""Which attempts become receipts."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from lockgate.agent.guard.repeats import Repeats
from lockgate.wire.transfer import Enforcement, Receipt, Verdict

RECEIPT = Receipt(
    transfer_id="t",
    verdict=Verdict.BLOCK,
    enforcement=Enforcement.DENIED,
    hold_reason=None,
    errno_value=1,
    enforce_time=datetime(2026, 11, 21, tzinfo=UTC),
)


def _stands_for(receipt: Receipt) -> int:
    match = re.search(r"stands for (\d+) attempts", receipt.detail)
    return int(match[1]) if match else 1


def test_a_single_attempt_is_recorded_as_it_is() -> None:
    """Nothing is changed or delayed for whoever tries once."""
    assert Repeats().tried((1, 2), RECEIPT, 0.0) == [RECEIPT]


def test_a_loop_of_attempts_is_recorded_in_few_receipts() -> None:
    """A thousand attempts in a second are a burst and one receipt that counts the rest."""
    repeats = Repeats(burst=20, window_s=10)
    recorded = [r for n in range(1000) for r in repeats.tried((1, 2), RECEIPT, n / 1000)]

    assert len(recorded) == 20
    assert [_stands_for(r) for r in repeats.due(11.0)] == [980]


@given(
    tries=st.lists(st.tuples(st.integers(0, 5), st.floats(0, 5)), max_size=200),
    burst=st.integers(1, 5),
    files=st.integers(1, 3),
)
def test_no_attempt_is_lost(tries: list[tuple[int, float]], burst: int, files: int) -> None:
    """Whatever the order of files and times, the receipts stand for every attempt."""
    repeats = Repeats(burst=burst, window_s=3.0, files=files)
    now, recorded = 0.0, []
    for inode, pause in tries:
        now += pause
        recorded += repeats.tried((0, inode), RECEIPT, now)
    recorded += repeats.due(now + 3.0)

    assert sum(map(_stands_for, recorded)) == len(tries)

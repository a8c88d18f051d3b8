"""The errno table is the one of the contract."""

from __future__ import annotations

import errno

import pytest

from lockgate.agent.guard.errnos import errno_of
from lockgate.wire.transfer import Decision, HoldReason, Verdict, hold


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [(Verdict.ALLOW, 0), (Verdict.BLOCK, errno.EPERM), (Verdict.QUARANTINE, errno.EPERM)],
)
def test_a_final_verdict_has_its_errno(verdict: Verdict, expected: int) -> None:
    """Only ALLOW is 0; what may never cross is EPERM."""
    assert errno_of(Decision(verdict)) == expected


@pytest.mark.parametrize("reason", list(HoldReason))
def test_every_hold_has_an_errno_that_says_try_again(reason: HoldReason) -> None:
    """A live writer is EBUSY, every other hold EAGAIN, and none is 0."""
    expected = errno.EBUSY if reason is HoldReason.LIVE_WRITER else errno.EAGAIN

    assert errno_of(hold(reason)) == expected

"""The errno that an opener gets: the one table of it.

Rules enforced here:

1. BLOCK and QUARANTINE are EPERM: trying again is useless.
2. A live writer is EBUSY: try again when the file is closed.
3. Every other HOLD is EAGAIN: try again later; ``lockgate why`` tells the reason.
4. Where the kernel knows no FAN_DENY_ERRNO, the opener sees EPERM for all of them; receipts
   then carry that EPERM, which is what happened.
"""

from __future__ import annotations

import errno

from lockgate.wire.transfer import Decision, HoldReason, Verdict


def errno_of(decision: Decision) -> int:
    """The errno for a decision; 0 only for ALLOW."""
    match decision.verdict:
        case Verdict.ALLOW:
            return 0
        case Verdict.BLOCK | Verdict.QUARANTINE:
            return errno.EPERM
        case Verdict.HOLD:
            return hold_errno(decision.hold_reason)


def hold_errno(reason: HoldReason | None) -> int:
    """The errno for a HOLD."""
    return errno.EBUSY if reason is HoldReason.LIVE_WRITER else errno.EAGAIN

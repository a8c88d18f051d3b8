"""Transfers and receipts of guarded opens, made from what the guard read.

Rules enforced here:

1. A transfer is named once, when it is attempted. A receipt carries the name of the transfer
   that was decided, so that a further attempt on the same verdict is found beside it, with
   that attempt's own opener, path and time.
2. A receipt says what happened, with the errno the opener really got.
"""

from __future__ import annotations

from datetime import UTC, datetime

from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import (
    Boundary,
    Decision,
    Enforcement,
    FileIdentity,
    Opener,
    Receipt,
    Transfer,
    Verdict,
    Zone,
)


def new_transfer(
    *,
    zone: Zone,
    host: str,
    path: str,
    identity: FileIdentity,
    opener: Opener | None,
    boundary: Boundary = Boundary.OPEN,
) -> Transfer:
    """A transfer that is attempted now. ``path`` is escaped already."""
    return Transfer(
        transfer_id=uuid7(),
        zone=zone,
        host=host,
        boundary=boundary,
        path=path,
        identity=identity,
        opener=opener,
        attempt_time=datetime.now(UTC),
    )


def receipt_of(
    transfer: Transfer, decision: Decision, errno_value: int, decided: str = ""
) -> Receipt:
    """The receipt of an answered attempt; ``errno_value`` 0: the opener passed.

    ``decided`` names the transfer that was decided, when that may have been another.
    """
    allowed = decision.verdict is Verdict.ALLOW and errno_value == 0
    return Receipt(
        transfer_id=decided or transfer.transfer_id,
        verdict=decision.verdict,
        enforcement=Enforcement.ALLOWED if allowed else Enforcement.DENIED,
        hold_reason=decision.hold_reason,
        errno_value=errno_value,
        enforce_time=datetime.now(UTC),
        path=transfer.path,
        opener=transfer.opener,
        detail=decision.message,
    )

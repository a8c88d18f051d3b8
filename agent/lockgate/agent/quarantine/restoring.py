"""Putting a quarantined file back, beside a running agent.

Rules enforced here:

1. Putting back allows nothing: the file is judged again at its next open.
2. It leaves an entry in the journal and a record on disk, which the running agent reports at
   once, or else the next one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lockgate.agent.control import NoAgentError, ask
from lockgate.agent.durable import write_durably
from lockgate.agent.guard.disarm import RECORDS
from lockgate.agent.guard.zones import open_zone
from lockgate.agent.quarantine.store import Quarantine
from lockgate.agent.verdicts.journal import Journal, receipt_line
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import Enforcement, Receipt, Verdict, Zone

CHANGE = "restored"


def restore(
    state_dir: Path, run_dir: Path, zone: Path, quarantine_id: str, target: Path | None
) -> Receipt:
    """Put a file back into ``zone``; see :meth:`Quarantine.restore`.

    Raises:
        ZoneError, QuarantineError, OSError: it could not be put back, or not be recorded.
    """
    guarded = open_zone(Zone(zone.name), zone, [state_dir])
    try:
        receipt = Quarantine(state_dir, [guarded]).restore(quarantine_id, target)
    finally:
        guarded.close()
    _record_durably(state_dir, receipt)
    with contextlib.suppress(NoAgentError):
        ask(run_dir, "report")
    return receipt


def _record_durably(state_dir: Path, receipt: Receipt) -> None:
    folder = state_dir / RECORDS
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_durably(folder / f"{uuid7()}.json", _record(receipt))
    journal = Journal(state_dir / "journal")
    try:
        journal.append([receipt_line(receipt)], durable=True)
    finally:
        journal.close()


def receipt_of_record(record: Mapping[str, Any]) -> Receipt:
    """The receipt that a record on disk stands for.

    Raises:
        KeyError, ValueError: it is no such record.
    """
    return Receipt(
        transfer_id=str(record["transfer_id"]),
        verdict=Verdict.QUARANTINE,
        enforcement=Enforcement.RESTORED,
        hold_reason=None,
        errno_value=0,
        enforce_time=datetime.fromisoformat(record["time"]).astimezone(UTC),
        path=str(record["path"]),
        quarantine_id=str(record["quarantine_id"]),
        detail=f"put back by user {int(record['uid'])}",
    )


def _record(receipt: Receipt) -> dict[str, object]:
    return {
        "change": CHANGE,
        "transfer_id": receipt.transfer_id,
        "quarantine_id": receipt.quarantine_id,
        "path": receipt.path,
        "time": receipt.enforce_time.isoformat(),
        "uid": os.getuid(),
    }

"""What the intake tells the agent: records on disk, which the agent reports.

Rules enforced here: a record is durable before anything says that it happened; an agent that
is there reports it at once, else the next one does.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lockgate.agent.control import NoAgentError, ask
from lockgate.agent.durable import write_durably
from lockgate.agent.guard.disarm import RECORDS
from lockgate.agent.guard.opener import read_opener
from lockgate.agent.verdicts.journal import Journal, receipt_line
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import (
    Enforcement,
    GuardChange,
    HoldReason,
    Opener,
    Receipt,
    Verdict,
)

RECEIPT = "intake-receipt"


def note_change(state_dir: Path, run_dir: Path, change: GuardChange, detail: str) -> None:
    """Record a change of the intake, and have the agent report it; the agent is not waited for.

    Raises:
        OSError: the record could not be written.
    """
    caller = read_opener(os.getpid())
    record = {
        "change": change.value,
        "time": datetime.now(UTC).isoformat(),
        "detail": detail,
        "uid": os.getuid(),
        "login_uid": caller.login_uid,
        "pid": caller.pid,
    }
    _write(state_dir, record)
    threading.Thread(target=_tell_agent, args=(run_dir,), daemon=True).start()


def note_receipt(state_dir: Path, run_dir: Path, receipt: Receipt) -> None:
    """Record what was done with a dump, in the journal as well, and have the agent report it.

    Raises:
        OSError: the record could not be written.
    """
    line = receipt_line(receipt)
    _write(state_dir, {"change": RECEIPT, **line})
    journal = Journal(state_dir / "journal")
    try:
        journal.append([line], durable=True)
    finally:
        journal.close()
    threading.Thread(target=_tell_agent, args=(run_dir,), daemon=True).start()


def receipt_of_record(record: Mapping[str, Any]) -> Receipt:
    """The receipt in a record.

    Raises:
        KeyError, ValueError, TypeError: it is no such record.
    """
    fields = dict(record["receipt"])
    opener = fields["opener"]
    reason = fields["hold_reason"]
    return Receipt(
        transfer_id=str(fields["transfer_id"]),
        verdict=Verdict(fields["verdict"]),
        enforcement=Enforcement(fields["enforcement"]),
        hold_reason=HoldReason(reason) if reason else None,
        errno_value=0,
        enforce_time=datetime.fromisoformat(fields["enforce_time"]).astimezone(UTC),
        path=str(fields["path"]),
        opener=Opener(**{**opener, "parents": tuple(opener["parents"])}) if opener else None,
        detail=str(fields["detail"]),
    )


def _write(state_dir: Path, record: Mapping[str, object]) -> None:
    folder = state_dir / RECORDS
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_durably(folder / f"{uuid7()}.json", record)


def _tell_agent(run_dir: Path) -> None:
    with suppress(NoAgentError):
        ask(run_dir, "report")

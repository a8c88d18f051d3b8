"""What happened beside the agent (a disarm, a restore, an export), in records on disk.

Rules enforced here:

1. A record is durable before anything says that it happened.
2. An agent that is there reports it at once, else the next one does
   (:mod:`lockgate.agent.verdicts.records`); the agent is not waited for.
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
from lockgate.agent.guard.opener import read_opener
from lockgate.agent.verdicts.journal import receipt_line
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import (
    Enforcement,
    GuardChange,
    HoldReason,
    Opener,
    Receipt,
    Verdict,
)

_FOLDER = "records"
_RECEIPT = "receipt"


def notes_in(state_dir: Path) -> list[Path]:
    """The records that nobody has reported yet, oldest first."""
    return sorted((state_dir / _FOLDER).glob("*.json"))


def note(state_dir: Path, record_id: str, record: Mapping[str, object]) -> None:
    """Keep one record, durably.

    Raises:
        OSError: it could not be written.
    """
    folder = state_dir / _FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_durably(folder / f"{record_id}.json", record)


def note_change(state_dir: Path, run_dir: Path, change: GuardChange, detail: str) -> None:
    """Record a change that nobody but this process knows of, and who made it.

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
    note(state_dir, uuid7(), record)
    _tell_agent(run_dir)


def note_receipt(state_dir: Path, run_dir: Path, receipt: Receipt) -> None:
    """Record what was done with one file.

    Raises:
        OSError: the record could not be written.
    """
    note(state_dir, uuid7(), {"change": _RECEIPT, **receipt_line(receipt)})
    _tell_agent(run_dir)


def receipt_of(record: Mapping[str, Any]) -> Receipt | None:
    """The receipt in a record; None when it tells something else.

    Raises:
        KeyError, ValueError, TypeError: the receipt cannot be read.
    """
    if record.get("change") != _RECEIPT:
        return None
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
        quarantine_id=str(fields["quarantine_id"]),
        detail=str(fields["detail"]),
    )


def _tell_agent(run_dir: Path) -> None:
    """Have the records reported; a command that ends waits for this thread, its work does not."""

    def tell() -> None:
        with suppress(NoAgentError):
            ask(run_dir, "report")

    threading.Thread(target=tell).start()

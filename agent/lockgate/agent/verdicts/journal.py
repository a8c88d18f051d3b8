"""What was decided and done on this host, as JSON lines: what ``lockgate why`` reads.

Rules enforced here:

1. A line is whole or not there: it is written with one call, and a torn one is passed over.
2. Only public facts are written; the file is for root alone.
3. The journal is bounded: beyond ``limit`` bytes a file is set aside, and of those the oldest
   goes when there are more than ``keep``.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lockgate.agent.durable import sync_directory
from lockgate.scan.report import Report, report_to_json
from lockgate.wire.transfer import Decision, GuardChange, Receipt, Transfer, Zone

_NAME = "journal.jsonl"


def decision_line(transfer: Transfer, report: Report, decision: Decision) -> dict[str, Any]:
    """The entry of a decided transfer."""
    return {
        "event": "decision",
        "transfer": _plain(transfer),
        "report": report_to_json(report),
        "decision": _plain(decision),
    }


def receipt_line(receipt: Receipt) -> dict[str, Any]:
    """The entry of what was done about one attempt."""
    return {"event": "enforcement", "receipt": _plain(receipt)}


def guard_line(zone: Zone, change: GuardChange, detail: str) -> dict[str, Any]:
    """The entry of a guard put on or taken off."""
    return {"event": "guard", "zone": _plain(zone), "change": change.value, "detail": detail}


def _plain(value: Any) -> Any:
    """A domain value as JSON can hold it."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


class Journal:
    """The journal of one state folder; used from one thread."""

    def __init__(self, folder: Path, *, limit: int = 32 << 20, keep: int = 8) -> None:
        self._folder = folder
        self._limit = limit
        self._keep = keep
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._fd = self._open()

    def append(self, entries: Iterable[dict[str, Any]], *, durable: bool) -> None:
        """Add entries; ``durable``: they are on the disk when this returns.

        Raises:
            OSError: the disk refused.
        """
        now = datetime.now(UTC).isoformat()
        lines = (json.dumps({"time": now, **entry}, sort_keys=True) for entry in entries)
        content = "".join(f"{line}\n" for line in lines).encode()
        before = os.fstat(self._fd).st_size
        if before + len(content) > self._limit and before:
            self._set_aside()
            before = 0
        try:
            if os.write(self._fd, content) != len(content):
                raise OSError("short write")  # noqa: TRY301 - one way to undo
            if durable:
                os.fdatasync(self._fd)
        except OSError:
            os.ftruncate(self._fd, before)
            raise

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        fd = os.open(self._folder / _NAME, flags, 0o600)
        sync_directory(self._folder)
        return fd

    def _set_aside(self) -> None:
        os.close(self._fd)
        number = max((_number(p) for p in self._folder.glob(f"{_NAME}.*")), default=0) + 1
        (self._folder / _NAME).rename(self._folder / f"{_NAME}.{number}")
        (self._folder / f"{_NAME}.{number - self._keep}").unlink(missing_ok=True)
        self._fd = self._open()


def _number(path: Path) -> int:
    return int(path.suffix[1:]) if path.suffix[1:].isdigit() else 0


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """Every entry, oldest first; a damaged line is passed over.

    Raises:
        PermissionError: the journal is for root.
    """
    aside = sorted(folder.glob(f"{_NAME}.*"), key=_number)
    for path in (*aside, folder / _NAME):
        if not path.exists():
            continue
        for line in path.read_bytes().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                yield entry

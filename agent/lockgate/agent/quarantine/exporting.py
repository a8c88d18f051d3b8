"""An encrypted copy of a quarantined file, for those who look into an incident.

Rules enforced here:

1. Nothing leaves the quarantine's filesystem unencrypted: bytes go from the file through age
   into a new file for root alone; one that exists is not written over.
2. What leaves is the file that was moved there, by inode and size.
3. The export is recorded, durably, before the copy has its name.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from lockgate.agent.control import NoAgentError
from lockgate.agent.durable import unnamed_file
from lockgate.agent.guard.opener import read_opener
from lockgate.agent.notes import note_receipt
from lockgate.agent.quarantine.store import QuarantineEntry, QuarantineError, read_index
from lockgate.agent.release.client import DeskLine, DeskLostError
from lockgate.agent.sealing import check_recipients, encrypt_to
from lockgate.scan.names import escape_name
from lockgate.wire.transfer import Enforcement, Receipt, Verdict


def export(
    state_dir: Path, run_dir: Path, quarantine_id: str, recipients: Sequence[str], target: Path
) -> Receipt:
    """Encrypt a file of the quarantine to ``recipients`` (age) into ``target``.

    Raises:
        SealingError: a recipient cannot be used, or encrypting failed.
        QuarantineError: there is no such file, or it cannot be had, or the target exists.
        OSError: the target could not be written, or the export not be recorded.
    """
    check_recipients(recipients)
    entry = _find(state_dir, quarantine_id)
    source = _open_stored(run_dir, entry)
    try:
        with unnamed_file(target) as copy:
            encrypt_to(recipients, source, copy.fd)
            copy.sync()
            receipt = _receipt(entry, target, len(recipients))
            note_receipt(state_dir, run_dir, receipt)
            copy.give_name()
    except FileExistsError:
        raise QuarantineError(f"{escape_name(str(target))} exists; name another file") from None
    finally:
        os.close(source)
    return receipt


def _find(state_dir: Path, quarantine_id: str) -> QuarantineEntry:
    for entry in read_index(state_dir / "quarantine"):
        if entry.quarantine_id == quarantine_id:
            return entry
    raise QuarantineError(f"nothing in quarantine is called {quarantine_id}")


def _open_stored(run_dir: Path, entry: QuarantineEntry) -> int:
    """The file itself: an agent that guards it hands it out, else it can just be opened."""
    fd = -1
    with suppress(NoAgentError, DeskLostError), closing(DeskLine(run_dir)) as desk:
        fd = desk.open(entry.stored, parts={"stored": entry.quarantine_id}).fd
    if fd < 0:
        try:
            fd = os.open(entry.stored, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise QuarantineError(
                f"the file in quarantine cannot be read ({error.strerror}); "
                "while a zone is guarded, its agent must run for an export"
            ) from None
    status = os.fstat(fd)
    if (status.st_ino, status.st_size) != (entry.inode, entry.size):
        os.close(fd)
        raise QuarantineError("another file than the one that was moved lies in quarantine")
    return fd


def _receipt(entry: QuarantineEntry, target: Path, recipients: int) -> Receipt:
    readers = "1 recipient" if recipients == 1 else f"{recipients} recipients"
    return Receipt(
        transfer_id=entry.transfer_id,
        verdict=Verdict.QUARANTINE,
        enforcement=Enforcement.NOT_ENFORCED,
        hold_reason=None,
        errno_value=0,
        enforce_time=datetime.now(UTC),
        path=escape_name(str(target)),
        opener=read_opener(os.getpid()),
        quarantine_id=entry.quarantine_id,
        detail=f"exported {entry.quarantine_id} encrypted to {readers} by user {os.getuid()}",
    )

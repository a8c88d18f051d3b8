"""A dump that leaves the store, or ends: in the clear only when it was allowed, else encrypted.

Rules enforced here:

1. An ALLOW leaves as it is. What is held or blocked leaves encrypted (age) to the recipients
   of the settings, and only so. A protected key never leaves, and neither does a dump that
   nobody has judged, or that is not ours to give.
2. What leaves is the bytes that were sealed and judged: their digest is compared first.
3. The target is a new file for root alone; one that exists is not written over.
4. An export is recorded, durably, before the target has its name.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lockgate.agent.durable import unnamed_file
from lockgate.agent.guard.opener import read_opener
from lockgate.agent.intake.entry import Entry, Judgement, State, Why
from lockgate.agent.intake.process import IntakeError
from lockgate.agent.intake.store import Store, data_runs, write_at
from lockgate.scan.names import escape_name
from lockgate.wire.transfer import Enforcement, HoldReason, Receipt, Verdict

_CHUNK_BYTES = 1 << 20

#: Encrypts what a descriptor holds to recipients, into a descriptor.
EncryptTo = Callable[[Sequence[str], int, int], None]


@dataclass(frozen=True, slots=True)
class Exporting:
    """Who may read what leaves encrypted, how it is encrypted, and where it is recorded."""

    recipients: Sequence[str]
    encrypt_to: EncryptTo
    record: Callable[[Receipt], None]


def export(store: Store, entry_id: str, target: Path, how: Exporting) -> Receipt:
    """Write a dump to ``target``; what was recorded of it.

    Raises:
        IntakeError: it may not leave; the text says why.
        OSError: it could not be read, written or recorded.
    """
    entry = store.find(entry_id)
    if entry is None:
        raise IntakeError(f"nothing in the intake is called {entry_id}")
    judgement = _judged(entry, store.judgement(entry_id))
    clear = judgement.verdict == Verdict.ALLOW
    if not clear and not how.recipients:
        raise IntakeError("only an encrypted copy may leave; set intake.recipients (age keys)")
    if os.path.lexists(target):  # so that nothing is recorded of an export that will not be
        raise _taken(target)
    source = store.open_dump(entry)
    try:
        _compare(source, entry)
        with unnamed_file(target) as copy:
            if clear:
                _copy(source, copy.fd)
            else:
                how.encrypt_to(how.recipients, source, copy.fd)
            copy.sync()
            receipt = _receipt(judgement, target, 0 if clear else len(how.recipients))
            how.record(receipt)
            copy.give_name()
    except FileExistsError:
        raise _taken(target) from None
    finally:
        os.close(source)
    return receipt


def discard(store: Store, entry_id: str, record: Callable[[Receipt], None]) -> Receipt:
    """Remove a dump for good; what is known of the crash stays.

    Raises:
        IntakeError: there is no such dump.
        OSError: it could not be removed or recorded.
    """
    entry = store.find(entry_id)
    if entry is None or entry.state is not State.SEALED:
        raise IntakeError(f"the intake holds no dump that is called {entry_id}")
    judgement = store.judgement(entry_id)
    verdict = Verdict(judgement.verdict) if judgement else Verdict.HOLD
    held = verdict is Verdict.HOLD
    receipt = Receipt(
        transfer_id=entry_id,
        verdict=verdict,
        enforcement=Enforcement.NOT_KEPT,
        hold_reason=HoldReason.POLICY if held else None,
        errno_value=0,
        enforce_time=datetime.now(UTC),
        path=escape_name(str(store.dumps / entry_id)),
        opener=read_opener(os.getpid()),
        detail=f"discarded by user {os.getuid()}",
    )
    record(receipt)
    store.drop(entry, Why.DISCARDED)
    return receipt


def _judged(entry: Entry, judgement: Judgement | None) -> Judgement:
    """What was decided about a dump that may leave in some form.

    Raises:
        IntakeError: it may not leave at all.
    """
    if entry.state is not State.SEALED:
        raise IntakeError(f"there is no dump of {entry.entry_id} here: {entry.state.explanation}")
    if judgement is None:
        raise IntakeError("nobody has judged this dump yet; is an agent running?")
    if Verdict(judgement.verdict) is Verdict.QUARANTINE:
        raise IntakeError("the dump holds a protected key: it never leaves, not even encrypted")
    return judgement


def _compare(source: int, entry: Entry) -> None:
    digest = hashlib.sha256()
    position = 0
    while piece := os.pread(source, _CHUNK_BYTES, position):
        digest.update(piece)
        position += len(piece)
    if digest.hexdigest() != entry.sha256:
        raise IntakeError("the dump is not what was sealed; it does not leave")


def _copy(source: int, target: int) -> None:
    position = 0
    while piece := os.pread(source, _CHUNK_BYTES, position):
        for start, stop in data_runs(memoryview(piece)):
            write_at(target, memoryview(piece)[start:stop], position + start)
        position += len(piece)
    os.ftruncate(target, position)


def _taken(target: Path) -> IntakeError:
    return IntakeError(f"{escape_name(str(target))} exists; name another file")


def _receipt(judgement: Judgement, target: Path, recipients: int) -> Receipt:
    readers = "1 recipient" if recipients == 1 else f"{recipients} recipients"
    how = f"encrypted to {readers}" if recipients else "in the clear"
    return Receipt(
        transfer_id=judgement.entry_id,
        verdict=Verdict(judgement.verdict),
        enforcement=Enforcement.NOT_ENFORCED if recipients else Enforcement.ALLOWED,
        hold_reason=HoldReason(judgement.hold_reason) if judgement.hold_reason else None,
        errno_value=0,
        enforce_time=datetime.now(UTC),
        path=escape_name(str(target)),
        opener=read_opener(os.getpid()),
        detail=f"exported {how} by user {os.getuid()}",
    )

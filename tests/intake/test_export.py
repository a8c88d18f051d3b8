"""What leaves the store: allowed dumps as they are, all else encrypted, and each way recorded."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pyrage
import pytest
from cores import an_entry

from lockgate.agent.intake.entry import Entry, Judgement, State, Why
from lockgate.agent.intake.export import Exporting, discard, export
from lockgate.agent.intake.process import IntakeError
from lockgate.agent.intake.store import Store
from lockgate.agent.sealing import SealingError, encrypt_to
from lockgate.wire.transfer import Enforcement, HoldReason, Receipt, Verdict

CONTENT = b"a dump with a key " * 1000


def judged(store: Store, verdict: Verdict | None) -> Entry:
    """A sealed dump that was judged so; None: not yet."""
    entry = an_entry()
    incoming = store.begin(entry)
    incoming.append(memoryview(CONTENT))
    sealed = store.seal(entry, incoming)
    if verdict is not None:
        reason = HoldReason.POLICY.value if verdict is Verdict.HOLD else ""
        store.judge(Judgement(sealed.entry_id, "t", "z", verdict.value, reason, "", "found"))
    return sealed


@pytest.fixture
def recorded() -> list[Receipt]:
    """Where exports are recorded."""
    return []


@pytest.fixture
def identity() -> pyrage.x25519.Identity:
    """Somebody who may read what leaves."""
    return pyrage.x25519.Identity.generate()


@pytest.fixture
def how(recorded: list[Receipt], identity: pyrage.x25519.Identity) -> Exporting:
    """Encrypted to one recipient."""
    return Exporting([str(identity.to_public())], encrypt_to, recorded.append)


def test_an_allowed_dump_leaves_as_it_is(
    store: Store, base: Path, how: Exporting, recorded: list[Receipt]
) -> None:
    """For root alone, and recorded."""
    entry = judged(store, Verdict.ALLOW)
    export(store, entry.entry_id, base / "copy", how)
    assert (base / "copy").read_bytes() == CONTENT
    assert stat.S_IMODE((base / "copy").stat().st_mode) == 0o600
    assert [receipt.enforcement for receipt in recorded] == [Enforcement.ALLOWED]


@pytest.mark.parametrize("verdict", [Verdict.BLOCK, Verdict.HOLD])
def test_what_was_refused_leaves_only_encrypted(
    store: Store,
    base: Path,
    how: Exporting,
    identity: pyrage.x25519.Identity,
    verdict: Verdict,
) -> None:
    """Recipients can read it; without any nothing leaves."""
    entry = judged(store, verdict)
    with pytest.raises(IntakeError):
        export(store, entry.entry_id, base / "copy", replace(how, recipients=[]))
    assert not (base / "copy").exists()
    export(store, entry.entry_id, base / "copy", how)
    sealed = (base / "copy").read_bytes()
    assert CONTENT[:40] not in sealed
    assert pyrage.decrypt(sealed, [identity]) == CONTENT


@pytest.mark.parametrize("verdict", [Verdict.QUARANTINE, None])
def test_a_protected_or_unjudged_dump_stays(
    store: Store, base: Path, how: Exporting, verdict: Verdict | None
) -> None:
    """Not even encrypted."""
    entry = judged(store, verdict)
    with pytest.raises(IntakeError):
        export(store, entry.entry_id, base / "copy", how)
    assert not (base / "copy").exists()


def test_a_dump_that_was_changed_stays(store: Store, base: Path, how: Exporting) -> None:
    """What leaves is what was judged."""
    entry = judged(store, Verdict.ALLOW)
    path = store.dumps / entry.entry_id
    path.chmod(0o600)
    with path.open("r+b") as target:
        target.write(b"another key")
    with pytest.raises(IntakeError):
        export(store, entry.entry_id, base / "copy", how)
    assert list(base.iterdir()) == [store.folder]


def test_nothing_is_written_over_and_nothing_recorded_of_it(
    store: Store, base: Path, how: Exporting, recorded: list[Receipt]
) -> None:
    """A file that exists stays, a link that leads nowhere too."""
    entry = judged(store, Verdict.ALLOW)
    (base / "there").write_text("mine")
    (base / "link").symlink_to(base / "nowhere")
    for name in ("there", "link"):
        with pytest.raises(IntakeError):
            export(store, entry.entry_id, base / name, how)
    assert (base / "there").read_text() == "mine"
    assert not recorded


def test_a_bad_recipient_leaves_nothing(store: Store, base: Path, how: Exporting) -> None:
    """No half of a file under any name."""
    entry = judged(store, Verdict.BLOCK)
    with pytest.raises(SealingError):
        export(store, entry.entry_id, base / "copy", replace(how, recipients=["age1x"]))
    assert list(base.iterdir()) == [store.folder]


def test_an_export_that_cannot_be_recorded_is_none(
    store: Store, base: Path, how: Exporting
) -> None:
    """The record comes before the name."""

    def full(_receipt: Receipt) -> None:
        raise OSError(28, "No space left on device")

    entry = judged(store, Verdict.ALLOW)
    with pytest.raises(OSError, match="No space"):
        export(store, entry.entry_id, base / "copy", replace(how, record=full))
    assert list(base.iterdir()) == [store.folder]


def test_a_discarded_dump_is_gone_and_recorded(store: Store, recorded: list[Receipt]) -> None:
    """What is known of the crash stays."""
    entry = judged(store, Verdict.BLOCK)
    discard(store, entry.entry_id, recorded.append)
    assert not list(store.dumps.iterdir())
    left = store.find(entry.entry_id)
    assert left is not None
    assert (left.state, left.why) == (State.NOT_KEPT, Why.DISCARDED)
    assert [receipt.enforcement for receipt in recorded] == [Enforcement.NOT_KEPT]
    with pytest.raises(IntakeError):
        discard(store, entry.entry_id, recorded.append)

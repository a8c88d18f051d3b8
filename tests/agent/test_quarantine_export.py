"""An encrypted copy of a quarantined file, from under a running guard."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyrage
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

sys.path.insert(0, str(Path(__file__).parents[1] / "incident"))

from parts import LOCKGATE, run, start

from .conftest import wait_until

pytestmark = pytest.mark.root


@dataclass(frozen=True, slots=True)
class Caught:
    """A protected key in quarantine, under guard."""

    content: bytes
    quarantine_id: str
    stored: Path
    folders: tuple[str, ...]
    state: Path

    def export(self, *words: str) -> subprocess.CompletedProcess[str]:
        """``lockgate agent quarantine export`` of this file."""
        command = [LOCKGATE, "agent", "quarantine", "export", *words, *self.folders]
        return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def caught(scratch: Path, tmp_path: Path) -> Iterator[Caught]:
    """A file that the guard moved into quarantine."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (tmp_path / "public.pem").write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    (scratch / "dump").write_bytes(pem)
    folders = ("--state-dir", str(tmp_path / "state"), "--run-dir", str(tmp_path / "run"))
    limit = subprocess.Popen(
        ["sh", "-c", f"sleep 240; umount -l {scratch}"], start_new_session=True
    )
    words = ["agent", "guard", str(scratch), "--registry", str(tmp_path / "public.pem"), *folders]
    part = start(words, tmp_path / "agent.log")
    try:
        subprocess.run(["cat", scratch / "dump"], capture_output=True, check=False)
        listing = ["agent", "quarantine", "list", "--json", *folders[:2]]
        wait_until(lambda: bool(run(*listing)))
        entry = json.loads(run(*listing))
        yield Caught(
            pem, entry["quarantine_id"], Path(entry["stored"]), folders, tmp_path / "state"
        )
    finally:
        run("agent", "disarm", *folders, check=False)
        part.stop(signal.SIGKILL)
        os.killpg(limit.pid, signal.SIGKILL)
        limit.wait()


def test_a_recipient_gets_the_file_and_the_journal_the_export_once(
    caught: Caught, tmp_path: Path
) -> None:
    """The copy decrypts to the file, is root's alone, and the agent writes it down once."""
    identity = pyrage.x25519.Identity.generate()
    target = tmp_path / "copy.age"
    words = ("--recipient", str(identity.to_public()), "--to", str(target))
    done = caught.export(caught.quarantine_id, *words)
    assert done.returncode == 0, done.stderr
    sealed = target.read_bytes()
    assert pyrage.decrypt(sealed, [identity]) == caught.content
    assert caught.content[:40] not in sealed
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    journal = caught.state / "journal" / "journal.jsonl"
    entry = f"exported {caught.quarantine_id} encrypted to 1 recipient"
    wait_until(lambda: entry in journal.read_text())
    wait_until(lambda: not list((caught.state / "records").glob("*.json")))
    assert journal.read_text().count(entry) == 1
    again = caught.export(caught.quarantine_id, *words)
    assert again.returncode == 1
    assert "exists" in again.stderr
    with pytest.raises(PermissionError):
        caught.stored.read_bytes()


@pytest.mark.parametrize("recipient", ["", "age1nonsense"])
def test_without_a_good_recipient_nothing_is_written(
    caught: Caught, tmp_path: Path, recipient: str
) -> None:
    """A wrong recipient is one line and leaves no file, not even a hidden one."""
    folder = tmp_path / "out"
    folder.mkdir()
    words = ("--recipient", recipient, "--to", str(folder / "copy.age"))
    done = caught.export(caught.quarantine_id, *words)
    assert done.returncode == 1
    assert "not an age public key" in done.stderr
    assert list(folder.iterdir()) == []

"""``lockgate agent guard`` as a person meets it: refusals, names, quarantine and explanations."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

sys.path.insert(0, str(Path(__file__).parents[1] / "incident"))

from parts import LOCKGATE, run, start

from .conftest import error_of, wait_until

pytestmark = pytest.mark.root


@dataclass(frozen=True, slots=True)
class Guarded:
    """A guarded zone, and where its agent keeps things."""

    zone: Path
    folders: tuple[str, ...]
    key: bytes

    def why(self, path: str) -> str:
        """What ``lockgate agent why`` says."""
        return run("agent", "why", path, *self.folders[:2])

    def quarantined(self) -> list[dict[str, Any]]:
        """What ``lockgate agent quarantine list --json`` says."""
        shown = run("agent", "quarantine", "list", "--json", *self.folders[:2])
        return [json.loads(line) for line in shown.splitlines()]

    def journal(self) -> list[dict[str, Any]]:
        """Every receipt in the journal."""
        text = (Path(self.folders[1]) / "journal" / "journal.jsonl").read_text()
        entries = [json.loads(line) for line in text.splitlines()]
        return [entry["receipt"] for entry in entries if entry["event"] == "enforcement"]


@pytest.fixture
def guarded(scratch: Path, tmp_path: Path) -> Iterator[Guarded]:
    """A zone under guard, with one protected key."""
    secret = ec.generate_private_key(ec.SECP256R1())
    pem = secret.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = tmp_path / "public.pem"
    public.write_bytes(
        secret.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    folders = ("--state-dir", str(tmp_path / "state"), "--run-dir", str(tmp_path / "run"))
    limit = subprocess.Popen(
        ["sh", "-c", f"sleep 240; umount -l {scratch}"], start_new_session=True
    )
    words = ["agent", "guard", str(scratch), "--registry", str(public), *folders]
    part = start(words, tmp_path / "agent.log")
    try:
        yield Guarded(scratch, folders, pem)
    finally:
        run("agent", "disarm", *folders, check=False)
        part.stop(signal.SIGKILL)
        os.killpg(limit.pid, signal.SIGKILL)
        limit.wait()


def test_a_restored_file_is_judged_and_moved_again(guarded: Guarded) -> None:
    """A file put back beside the running agent is quarantined anew at its next open."""
    file = guarded.zone / "key.pem"
    file.write_bytes(guarded.key)
    assert error_of(file) == errno.EPERM
    wait_until(lambda: not file.exists())
    (entry,) = guarded.quarantined()
    assert entry["original"] == str(file)

    where = ("--zone", str(guarded.zone))
    run("agent", "quarantine", "restore", entry["quarantine_id"], *where, *guarded.folders)
    assert file.exists()
    assert not list((Path(guarded.folders[1]) / "records").glob("*.json"))
    assert error_of(file) == errno.EPERM
    wait_until(lambda: not file.exists())
    assert len(guarded.quarantined()) == 1
    done = [receipt["enforcement"] for receipt in guarded.journal()]
    assert done.count("quarantined") == 2
    assert "restored" in done
    said = guarded.why(str(file))
    assert "protected" in said
    assert "lockgate agent quarantine list" in said


def test_hostile_names_are_escaped_wherever_they_are_shown(guarded: Guarded) -> None:
    """A name with control characters or without an encoding breaks neither line nor terminal."""
    names = [b"red\x1b[31m\nEvent: forged", b"not-utf8-\xff\xfe", "rtl-\u202egnp".encode()]
    for name in names:
        path = os.fsencode(guarded.zone) + b"/" + name
        with open(path, "wb") as file:
            file.write(guarded.key.replace(b"KEY-----", b"KEY-----\n"))
        assert error_of(os.fsdecode(path)) == errno.EPERM
        said = guarded.why(os.fsdecode(path))
        assert "\x1b" not in said
        assert "\u202e" not in said
        assert "\nEvent" not in said
        said.encode("utf-8")
    listed = run("agent", "quarantine", "list", *guarded.folders[:2])
    assert len(listed.splitlines()) == len(names)
    assert "\x1b" not in listed


def test_what_has_no_bytes_does_not_hang(guarded: Guarded) -> None:
    """A FIFO and a device pass unjudged, at once."""
    fifo, device = guarded.zone / "fifo", guarded.zone / "null"
    os.mkfifo(fifo)
    os.mknod(device, 0o600 | 0o020000, os.makedev(1, 3))
    assert error_of(fifo, os.O_RDONLY | os.O_NONBLOCK) == 0
    assert error_of(device) == 0


def test_a_zone_that_holds_the_agents_own_files_is_refused(scratch: Path, tmp_path: Path) -> None:
    """A guard that would wait for itself is not put on, and the text says what to do."""
    state = scratch / "state"
    command = [LOCKGATE, "agent", "guard", str(scratch), "--state-dir", str(state)]
    command += ["--run-dir", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "READY" not in done.stdout
    assert f"also holds {state}" in done.stderr
    assert "give the zone a filesystem of its own" in done.stderr

"""What tests of protected keys and incidents share: keys, people, and a controller with hooks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

T = TypeVar("T")


def public_key(folder: Path, name: str = "signing.pem") -> Path:
    """A file with a fresh public key."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    path = folder / name
    path.write_bytes(key.public_bytes(serialization.Encoding.PEM, form))
    return path


def said(answer: Any) -> list[dict[str, Any]]:
    """What a command printed as JSON lines."""
    assert answer.returncode == 0, answer.stderr
    return [json.loads(line) for line in answer.stdout.splitlines()]


def approved(proposal: Any, by: Any) -> None:
    """Let somebody else make what a command has proposed."""
    for change in said(proposal):
        assert change["state"] == "waiting"
        sha256 = change["content_sha256"]
        done = by.run("change", "approve", change["id"], "--sha256", sha256)
        assert done.stdout.split() == [change["id"], "made"], done.stderr


def wait_until(check: Callable[[], T], seconds: float = 30.0) -> T:
    """What ``check`` gives as soon as it is true."""
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.05)
    return found


def restarted_with(controller: Any, settings: str) -> Any:
    """The controller, started again with more settings."""
    controller.stop()
    path = controller.state / "controller.toml"
    kept = path.read_text() if path.exists() else ""
    path.write_text(f"{kept}\n{settings}\n")
    return controller.start()

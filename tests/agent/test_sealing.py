"""What leaves a store leaves encrypted, to recipients that were checked."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.agent.sealing import SealingError, check_recipients, encrypt_to

GIB = 1 << 30


def _identity() -> tuple[pyrage.x25519.Identity, str]:
    identity = pyrage.x25519.Identity.generate()
    return identity, str(identity.to_public())


def test_every_recipient_and_nobody_else_can_read(tmp_path: Path) -> None:
    """Each of two recipients decrypts the very bytes; a third cannot."""
    (one, first), (two, second), (other, _) = _identity(), _identity(), _identity()
    content = os.urandom(300_000)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(content)
    with source.open("rb") as reader, target.open("wb") as writer:
        reader.read(1000)  # wherever it stands
        encrypt_to([first, second], reader.fileno(), writer.fileno())
    sealed = target.read_bytes()
    assert pyrage.decrypt(sealed, [one]) == pyrage.decrypt(sealed, [two]) == content
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(sealed, [other])
    assert content[:64] not in sealed


def test_a_gibibyte_takes_no_memory(tmp_path: Path) -> None:
    """Whatever the size, encrypting holds little of it at a time."""
    _, public = _identity()
    source = tmp_path / "source"
    with source.open("wb") as file:
        file.truncate(GIB // 4)
    code = (
        "import os, resource, sys; from lockgate.agent.sealing import encrypt_to\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "encrypt_to([sys.argv[2]], os.open(sys.argv[1], 0), os.open('/dev/null', 1))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    command = [sys.executable, "-c", code, str(source), public]
    shown = subprocess.run(command, capture_output=True, check=True)
    assert int(shown.stdout) < 16 << 10


def test_no_recipient_is_refused() -> None:
    """Encrypted to nobody is lost, or worse."""
    with pytest.raises(SealingError, match="at least one"):
        check_recipients([])


def test_a_secret_key_is_refused_without_being_repeated() -> None:
    """One who gives the wrong half is told so, and the half is not shown again."""
    secret = str(pyrage.x25519.Identity.generate())
    with pytest.raises(SealingError, match="recipient 2 is a secret key") as caught:
        check_recipients([_identity()[1], secret])
    assert secret[16:] not in str(caught.value)


@given(st.text(max_size=80))
def test_nothing_else_is_taken_for_a_recipient(text: str) -> None:
    """Any text that is no public key is an error that does not repeat it."""
    with pytest.raises(SealingError) as caught:
        check_recipients([text])
    assert len(text) < 10 or text not in str(caught.value)


def test_a_target_that_is_full_is_an_error(tmp_path: Path) -> None:
    """What could not be written is never taken for written."""
    (tmp_path / "source").write_bytes(bytes(1 << 20))
    with (
        (tmp_path / "source").open("rb") as source,
        open("/dev/full", "wb", buffering=0) as full,
        pytest.raises(OSError, match="No space left"),
    ):
        encrypt_to([_identity()[1]], source.fileno(), full.fileno())


def test_the_sealed_text_is_what_other_tools_read() -> None:
    """The header is age's own, version 1."""
    sealed = io.BytesIO()
    pyrage.encrypt_io(io.BytesIO(b"x"), sealed, check_recipients([_identity()[1]]))
    assert sealed.getvalue().startswith(b"age-encryption.org/v1\n-> X25519 ")

"""What the tests of the engine share: a scanner, files made of bytes, and dumped processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lockgate.formats.scanner import standard_scanner
from lockgate.scan.engine import Scanner
from lockgate.scan.report import Report

Scan = Callable[..., Report]

#: A process that holds a key, writes its public half to argv[2], and aborts.
HOLDER = """
import os, sys
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

kind, public = sys.argv[1:3]
key = None
if kind.startswith("rsa"):
    key = rsa.generate_private_key(65537, int(kind[3:]))
    key.sign(b"token", padding.PKCS1v15(), hashes.SHA256())
elif kind == "ec":
    key = ec.generate_private_key(ec.SECP256R1())
    key.sign(b"token", ec.ECDSA(hashes.SHA256()))
if key is not None:
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    with open(public, "wb") as file:
        file.write(key.public_key().public_bytes(*form))
os.abort()
"""


@pytest.fixture(scope="session")
def scanner() -> Scanner:
    """The scanner as it is shipped, without a registry."""
    return standard_scanner()


@pytest.fixture
def scan(scanner: Scanner, tmp_path: Path) -> Scan:
    """Scan bytes as a file: ``scan(content, scanner=None)``."""

    def run(content: bytes, using: Scanner | None = None) -> Report:
        path = tmp_path / "file"
        path.write_bytes(content)
        fd = os.open(path, os.O_RDONLY)
        try:
            return (using or scanner).scan_fd(fd, b"file")
        finally:
            os.close(fd)

    return run


def dump_process(kind: str, folder: Path) -> tuple[bytes, bytes]:
    """The core of a process that held a key of ``kind``, and its public key as DER."""
    public = folder / "public.der"
    process = subprocess.run(
        [
            "sh",
            "-c",
            'ulimit -c unlimited; exec "$@"',
            "sh",
            sys.executable,
            "-c",
            HOLDER,
            kind,
            str(public),
        ],
        cwd=folder,
        check=False,
    )
    assert process.returncode < 0 or process.returncode >= 128
    cores = [p for p in folder.iterdir() if p.name.startswith("core")]
    assert len(cores) == 1, "the kernel writes cores into the working directory here"
    return cores[0].read_bytes(), public.read_bytes() if public.exists() else b""


@pytest.fixture(scope="session")
def dumped(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], tuple[bytes, bytes]]:
    """``dumped(kind)``: core and public key of a process, made once for each kind."""
    if not Path("/proc/sys/kernel/core_pattern").read_text().strip().startswith("core"):
        pytest.skip("core_pattern does not name a file in the working directory")
    made: dict[str, tuple[bytes, bytes]] = {}

    def dump(kind: str) -> tuple[bytes, bytes]:
        if kind not in made:
            folder = tmp_path_factory.mktemp(f"dump-{kind}")
            made[kind] = dump_process(kind, folder)
            shutil.rmtree(folder)
        return made[kind]

    return dump

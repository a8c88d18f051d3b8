"""The scanner on dumps of real programs: what the truth calls provable is found, nothing else.

``truth.py`` says exactly which keys are provable. The table over the whole corpus is
``recall.py``; here stands a part of it that CI has time for, and under ``make soak`` all of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_HERE = Path(__file__).parent
#: A row or more of each library that starts in a second and leaves a small dump.
_CHOSEN = (
    "openssl-rsa2048", "openssl-p256", "openssl-p521", "gnutls-ed25519", "nginx-rsa2048",
    "dropbear-p256", "sshd-rsa3072", "ssh-agent-p256", "gpg-agent-rsa2048", "nettle-p384",
    "nettle-aes128", "nettle-none", "gcrypt-ed25519", "mbedtls-rsa2048", "mbedtls-aes192",
    "mbedtls-none", "wolfssl-ed25519", "wolfssl-aes256", "wolfssl-none", "nss-p256", "nss-none",
    "tomcrypt-rsa2048", "sodium-x25519", "java-rsa2048", "java-p256", "pynacl-ed25519",
    "cpython-int-rsa2048", "pytext-rsa2048", "synthetic-*",
)  # fmt: skip
#: Those whose damaged, packed and wiped variants are scanned, too.
_VARIED = ("gnutls-rsa2048", "tomcrypt-p256")
#: Generous: both builds and both scans took nine minutes where three others ran beside them.
_PATIENCE = 1800


def _run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(_HERE / program), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _build(out: Path, names: tuple[str, ...], *options: str) -> None:
    only = [word for name in names for word in ("--only", name)]
    done = _run("build.py", "--out", str(out), "--jobs", "2", *only, *options)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The rows of the part that CI builds, scanned by two runs of the command."""
    out = tmp_path_factory.mktemp("lockgate-corpus")
    _build(out, _CHOSEN, "--no-variants")
    _build(out, _VARIED)
    done = _run("recall.py", str(out), "--together", "--json")
    assert not done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def _names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["name"] for row in rows]


@pytest.mark.timeout(_PATIENCE)
def test_every_key_that_its_dump_proves_is_found(rows):
    """Without a registry: the public half, or enough of the private one, stands in the dump."""
    provable = [row for row in rows if row["alone"]]
    assert len(provable) >= 40
    assert _names([row for row in provable if not row["found_alone"]]) == []


@pytest.mark.timeout(_PATIENCE)
def test_every_registered_key_of_which_a_part_is_left_is_found(rows):
    """With its public half registered any one of p, q, d, dP, dQ, scalar or seed is enough."""
    left = [row for row in rows if row["registered"]]
    assert _names([row for row in left if not row["found_registered"]]) == []


@pytest.mark.timeout(_PATIENCE)
def test_nothing_else_is_called_a_key(rows):
    """No finding of class protected, private or credential that the truth does not know."""
    assert [(row["name"], text) for row in rows for text in row["false"]] == []


@pytest.mark.timeout(_PATIENCE)
def test_a_process_without_a_key_is_not_found_to_hold_one(rows):
    """The same programs without a key end clean or incomplete."""
    keyless = [row for row in rows if "-none/" in row["name"]]
    assert len(keyless) == 4
    assert {row["outcome"] for row in keyless} <= {"clean", "incomplete"}


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
def test_the_whole_corpus(tmp_path):
    """Every producer, dump and variant."""
    _build(tmp_path, ("*",))
    done = _run("recall.py", str(tmp_path))
    assert done.returncode == 0, done.stdout

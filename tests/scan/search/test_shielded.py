"""OpenSSH's shielded keys are unsealed and proven; what only looks like one is nothing."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from lockgate.formats.scanner import standard_scanner
from lockgate.scan.limits import Limits
from lockgate.scan.report import GapReason, Outcome, Proof

HEAP = 0x5555_5575_8000
TYPES = {"rsa": "RSA", "ecdsa": "EC P-256", "ed25519": "Ed25519", "dsa": "DSA"}


def spki_fingerprint(public) -> str:
    """The fingerprint of a public key."""
    form = ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo
    return f"sha256:{hashlib.sha256(public.public_bytes(*form)).hexdigest()}"


def section(key) -> bytes:
    """The private fields of a key, as its OpenSSH file holds them."""
    form = ser.Encoding.PEM, ser.PrivateFormat.OpenSSH, ser.NoEncryption()
    file = base64.b64decode(b"".join(key.private_bytes(*form).splitlines()[1:-1]))
    at = len(b"openssh-key-v1\0") + 3 * 4 + 8 + 4
    at += 4 + int.from_bytes(file[at : at + 4], "big")
    return file[at + 4 + 8 :]


def shielded(content: bytes, prekey: bytes) -> bytes:
    """What OpenSSH keeps instead of ``content``: padded with 1, 2, 3 ... and sealed."""
    padded = content + bytes(range(1, 1 + -len(content) % 16))
    digest = hashlib.sha512(prekey).digest()
    return Cipher(AES(digest[:32]), CTR(digest[32:48])).encryptor().update(padded)


def heap(sealed: bytes, prekey: bytes, *, header: int = 16401) -> bytes:
    """A heap with the end of a ``struct sshkey``, its sealed key and its pre-key."""
    sealed_at, prekey_at = 0x400, 0x2010
    content = bytearray(0x8000)
    end = struct.pack("<QQQQ", HEAP + sealed_at, len(sealed), HEAP + prekey_at, 16384)
    content[0x100 : 0x100 + len(end)] = end
    content[sealed_at : sealed_at + len(sealed)] = sealed
    content[prekey_at - 8 : prekey_at] = struct.pack("<Q", header)
    content[prekey_at : prekey_at + len(prekey)] = prekey
    return bytes(content)


def core(memory: bytes, padding: int = 0) -> bytes:
    """An ELF core with one segment, 1352 bytes behind a page as gdb writes it."""
    offset = 1352 + padding
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 6, offset, HEAP, 0, len(memory), len(memory), 4096)
    return (ident + header + load).ljust(offset, b"\0") + memory


@pytest.fixture(scope="module")
def key():
    """A test key that protects nothing."""
    return ed25519.Ed25519PrivateKey.generate()


@pytest.fixture(scope="module")
def agent(tmp_path_factory) -> Iterator[tuple[bytes, dict[str, str]]]:
    """The core of an ssh-agent with a key of each type, and their fingerprints."""
    # A socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="lockgate-a-"))
    try:
        yield dump_agent(folder)
    finally:
        shutil.rmtree(folder)


def dump_agent(folder: Path) -> tuple[bytes, dict[str, str]]:
    """Start an agent, give it keys, dump it with gdb, and stop it."""
    socket = folder / "socket"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        while not socket.exists():
            assert process.poll() is None
        fingerprints = {kind: add_key(folder, kind, socket) for kind in TYPES}
        subprocess.run(
            ["gcore", "-o", str(folder / "core"), str(process.pid)], check=True, capture_output=True
        )
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
    return (folder / f"core.{process.pid}").read_bytes(), fingerprints


def add_key(folder: Path, kind: str, socket: Path) -> str:
    """Make a key, add it to the agent, and return its fingerprint."""
    path = folder / kind
    make = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "test key", "-f", str(path)]
    subprocess.run(make, check=True)
    environment = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
    subprocess.run(["ssh-add", "-q", str(path)], check=True, env=environment)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # DSA is old, and held by agents all the same
        return spki_fingerprint(ser.load_ssh_public_key(path.with_suffix(".pub").read_bytes()))


def test_every_key_of_an_agent_is_found(agent, scan):
    """RSA, ECDSA, Ed25519 and DSA in a core by gdb; the fingerprints are those of the files."""
    content, fingerprints = agent
    found = {f.fingerprint: f for f in scan(content).findings}
    for kind, fingerprint in fingerprints.items():
        finding = found[fingerprint]
        assert finding.algorithm == TYPES[kind]
        assert Proof.SHIELDED in finding.proof
        assert len(finding.proof) > 1
        assert "openssh-shielded" in {p.format for p in finding.occurrences}


def test_keys_are_found_where_the_cores_header_is_lost(agent, scan):
    """Nothing leads from an address to its bytes; malloc's header does."""
    content, fingerprints = agent
    found = {f.fingerprint for f in scan(content[4096 + 8 :]).findings}
    assert set(fingerprints.values()) <= found


@pytest.mark.parametrize("wrap", [core, lambda memory: memory], ids=["core", "raw"])
def test_made_up_memory_is_unsealed(key, scan, wrap):
    """The place told is that of the sealed key, with its address when there is one."""
    prekey = os.urandom(16384)
    sealed = shielded(section(key), prekey)
    (finding,) = scan(wrap(heap(sealed, prekey))).findings
    (place,) = finding.occurrences
    assert finding.fingerprint == spki_fingerprint(key.public_key())
    assert (place.format, place.length) == ("openssh-shielded", len(sealed))
    assert place.address in {None, HEAP + 0x400}


def test_map_of_other_addresses_hides_no_key(key, scan):
    """A dump of physical memory has a map, but not of the addresses in the pointers."""
    prekey = os.urandom(16384)
    memory = heap(shielded(section(key), prekey), prekey)
    physical = core(memory).replace(struct.pack("<Q", HEAP), struct.pack("<Q", 0x100000), 1)
    assert {f.fingerprint for f in scan(physical).findings} == {spki_fingerprint(key.public_key())}


def test_key_across_a_border_of_blocks_is_unsealed(key, scan):
    """A pre-key may begin in one block and end in the next."""
    prekey = os.urandom(16384)
    memory = heap(shielded(section(key), prekey), prekey)
    for padding in ((1 << 20) - 0x3000, (1 << 20) - 0x1800):
        assert scan(core(memory, padding)).findings


@pytest.mark.parametrize(
    "change",
    [
        lambda sealed, prekey: (sealed, os.urandom(16384)),
        lambda sealed, prekey: (os.urandom(len(sealed)), prekey),
        lambda sealed, prekey: (sealed, bytes(16384)),
        lambda sealed, prekey: (shielded(b"\0\0\0\x0bssh-ed25519" + bytes(120), prekey), prekey),
    ],
    ids=["other-prekey", "noise", "zeros", "no-numbers"],
)
def test_look_alike_is_nothing(key, scan, change):
    """The structure alone is no key."""
    prekey = os.urandom(16384)
    sealed, prekey = change(shielded(section(key), prekey), prekey)
    for content in (core(heap(sealed, prekey)), heap(sealed, prekey)):
        report = scan(content)
        assert (report.outcome, report.findings) == (Outcome.CLEAN, ())


def test_more_structures_than_the_limit_are_a_gap(key, scan):
    """A real key behind decoys is found, or the report says that not all was looked at."""
    prekey = os.urandom(16384)
    decoys = struct.pack("<QQQQ", HEAP, 128, HEAP + 0x2010, 16384) * 40
    memory = heap(shielded(section(key), prekey), prekey)
    report = scan(core(decoys + memory), standard_scanner(limits=Limits(shielded=20)))
    assert GapReason.BUDGET in {gap.reason for gap in report.gaps}
    assert report.outcome is not Outcome.CLEAN


@pytest.mark.parametrize(
    "make", [ed25519.Ed25519PrivateKey.generate, lambda: rsa.generate_private_key(65537, 2048)]
)
def test_bare_private_fields_are_found(make, scan):
    """What ssh-add sends to an agent stands in memory without the file's header."""
    key = make()
    (finding,) = scan(bytes(999) + section(key) + bytes(99)).findings
    assert finding.fingerprint == spki_fingerprint(key.public_key())
    assert finding.occurrences[0].format == "openssh-section"


def test_public_blob_is_no_private_field(scan):
    """A public key begins as the private fields do."""
    blobs = b""
    for key in (ed25519.Ed25519PrivateKey.generate(), rsa.generate_private_key(65537, 2048)):
        line = key.public_key().public_bytes(ser.Encoding.OpenSSH, ser.PublicFormat.OpenSSH)
        blobs += base64.b64decode(line.split()[1]) + os.urandom(500)
    assert scan(blobs).outcome is Outcome.CLEAN

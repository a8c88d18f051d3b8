"""The engine as a whole: what a report says of odd files, and of keys at awkward places."""

from __future__ import annotations

import hashlib
import os
import random
import socket
import time

import pytest
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.scan.search.number_forms import ordinary_rsa_key

from lockgate.formats.scanner import standard_scanner
from lockgate.scan.blocks import BLOCK_BYTES
from lockgate.scan.limits import Limits, Profile
from lockgate.scan.registry import Registry
from lockgate.scan.report import (
    FindingClass,
    GapReason,
    Outcome,
    Proof,
    report_from_json,
    report_to_json,
)

DEEP = standard_scanner(profile=Profile.DEEP)
#: Examples share the scanner on purpose, and a busy machine draws them slowly.
SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def spki(key) -> bytes:
    """The SubjectPublicKeyInfo of a private key."""
    form = ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(*form)


def fingerprint(key) -> str:
    """The fingerprint that a report must show."""
    return "sha256:" + hashlib.sha256(spki(key)).hexdigest()


def private(key, encoding=ser.Encoding.DER) -> bytes:
    """The key as PKCS #8."""
    return key.private_bytes(encoding, ser.PrivateFormat.PKCS8, ser.NoEncryption())


@pytest.fixture(scope="module")
def key():
    """A fresh RSA key."""
    return ordinary_rsa_key()


@pytest.mark.parametrize("encoding", [ser.Encoding.PEM, ser.Encoding.DER])
@pytest.mark.parametrize("shift", [-1700, -64, -1, 0, 1, 65536])
def test_key_across_a_block_edge_is_found_once(encoding, shift, key, scan):
    """A key anywhere around the edge of two blocks is one finding at its place."""
    place = 2 * BLOCK_BYTES + shift
    content = b"\x01" * place + private(key, encoding) + b"\x02" * BLOCK_BYTES

    report = scan(content)

    assert [f.fingerprint for f in report.findings] == [fingerprint(key)]
    assert place <= report.findings[0].occurrences[0].offset < place + 100


def test_structure_inside_a_structure_is_one_place(key, scan):
    """PKCS #8 around PKCS #1 is told as the outer structure only."""
    report = scan(b"heap" + private(key) + b"heap")

    assert [(p.format, p.offset) for p in report.findings[0].occurrences] == [("pkcs8", 4)]


def test_key_cut_in_half_is_never_proven_nor_clean_by_a_crash(key, scan):
    """Half a PEM key holds no factor: it gives a report that names no wrong key."""
    whole = private(key, ser.Encoding.PEM)

    report = scan(b"log\n" + whole[: len(whole) // 2])

    assert report.outcome is not Outcome.CLEAN
    assert all(f.fingerprint == fingerprint(key) for f in report.findings)


def test_decoys_do_not_hide_a_key(key, scan):
    """A hundred thousand labels without keys before the real one do not hide it."""
    decoys = b"-----BEGIN RSA PRIVATE KEY-----\n" * 100_000

    began = time.process_time()
    report = scan(decoys + private(key, ser.Encoding.PEM))

    assert fingerprint(key) in {f.fingerprint for f in report.findings}
    assert time.process_time() - began < 60


def test_budget_for_proving_leaves_a_gap(scan):
    """Without time to prove, candidates are a gap."""
    limits = Limits(prove_seconds=0.0)
    text = b"-----BEGIN RSA PRIVATE KEY-----\nMIIE"

    report = scan(text, standard_scanner(limits=limits))

    assert {g.reason for g in report.gaps} == {GapReason.BUDGET}


def test_registered_key_is_protected_and_named(key, scan, tmp_path):
    """A registered key is of class protected, even on the list of published keys."""
    path = tmp_path / "public.pem"
    form = ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo
    path.write_bytes(key.public_key().public_bytes(*form))

    finding = scan(private(key), standard_scanner(Registry.load([path]))).findings[0]

    assert finding.class_ is FindingClass.PROTECTED
    assert Proof.REGISTERED in finding.proof
    assert finding.protected_name


@pytest.mark.parametrize("order", ["little", "big in DER"])
def test_one_factor_of_a_registered_modulus_is_enough(order, key, scan, tmp_path):
    """One stray prime, and nothing else of the key, is found by its registered modulus."""
    path = tmp_path / "public.pem"
    form = ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo
    path.write_bytes(key.public_key().public_bytes(*form))
    prime = key.private_numbers().p
    stray = {
        "little": bytes(4096) + prime.to_bytes(128, "little") + bytes(64),
        "big in DER": b"heap" + b"\x02\x81\x81\x00" + prime.to_bytes(128, "big") + b"heap",
    }[order]

    finding = scan(stray, standard_scanner(Registry.load([path]))).findings[0]

    assert (finding.class_, finding.fingerprint) == (FindingClass.PROTECTED, fingerprint(key))
    assert Proof.RSA_DIVIDES in finding.proof


def test_one_factor_beside_its_certificate_is_enough(key, scan):
    """A stray prime is found by the modulus of a public key in the same file."""
    prime = key.private_numbers().q
    content = spki(key) + bytes(8192 - len(spki(key))) + prime.to_bytes(128, "little") + bytes(64)

    assert [f.fingerprint for f in scan(content).findings] == [fingerprint(key)]


def test_public_key_alone_is_clean(key, scan):
    """A modulus without a factor, in either order, is no finding."""
    modulus = key.public_key().public_numbers().n
    content = spki(key) + bytes(8192 - len(spki(key))) + modulus.to_bytes(256, "little") + bytes(64)

    assert scan(content).outcome is Outcome.CLEAN


def test_seed_is_a_key_only_with_its_public_half(scan):
    """An Ed25519 prefix with any bytes counts when the public key stands elsewhere."""
    seed = ed25519.Ed25519PrivateKey.generate()
    inside = b"\x01" * 500 + private(seed) + b"\x02" * 500

    assert not scan(inside).findings
    found = scan(inside + seed.public_key().public_bytes_raw() + b"\x03" * 40).findings
    assert [f.fingerprint for f in found] == [fingerprint(seed)]


def test_same_key_in_many_places_is_one_finding(key, scan):
    """One key is one finding with all its places in order."""
    pem = private(key, ser.Encoding.PEM)

    (finding,) = scan(pem + b"\n" * 100 + pem).findings

    offsets = [p.offset for p in finding.occurrences]
    assert len(offsets) >= 2
    assert offsets == sorted(offsets)


def test_report_survives_json(key, scan):
    """A report with findings and gaps is the same after JSON and back."""
    report = scan(private(key, ser.Encoding.PEM) + b"-----BEGIN RSA PRIVATE KEY-----\nMIIEow")
    again = report_from_json(report_to_json(report))

    assert report_to_json(again) == report_to_json(report)
    assert again.findings == report.findings


def test_report_holds_no_private_byte(key, scan):
    """No private number, in any spelling, is part of a report."""
    text = repr(scan(private(key, ser.Encoding.PEM)))
    numbers = key.private_numbers()

    for secret in (numbers.p, numbers.q, numbers.d):
        assert str(secret) not in text
        assert f"{secret:x}" not in text


@pytest.mark.parametrize("kind", ["fifo", "socket", "folder", "device"])
def test_special_files_are_gaps_without_a_digest(kind, scanner, tmp_path):
    """What has no content to judge is never clean and never read."""
    path = tmp_path / "special"
    if kind == "fifo":
        os.mkfifo(path)
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as unix:
            fd = os.dup(unix.fileno())
    else:
        fd = os.open(tmp_path if kind == "folder" else "/dev/zero", os.O_RDONLY)
    try:
        report = scanner.scan_fd(fd, b"special")
    finally:
        os.close(fd)

    assert report.sha256 is None
    assert [g.reason for g in report.gaps] == [GapReason.SPECIAL_FILE]


def test_file_changed_while_scanned_is_a_gap(scanner, tmp_path):
    """A write during the scan makes the report incomplete, without a digest."""
    path = tmp_path / "live"
    path.write_bytes(b"x" * 100_000)
    fd = os.open(path, os.O_RDWR)

    def write(_done: int, _size: int) -> None:
        os.pwrite(fd, str(time.monotonic_ns()).encode(), 0)

    try:
        report = scanner.scan_fd(fd, b"live", progress=write)
    finally:
        os.close(fd)

    assert report.sha256 is None
    assert GapReason.CHANGED in {g.reason for g in report.gaps}


def test_file_cut_while_scanned_is_a_gap(scanner, tmp_path):
    """A file that becomes shorter under the scan is incomplete."""
    path = tmp_path / "live"
    path.write_bytes(b"x" * (4 << 20))
    fd = os.open(path, os.O_RDWR)
    try:
        report = scanner.scan_fd(fd, b"live", progress=lambda _d, _s: os.ftruncate(fd, 10))
    finally:
        os.close(fd)

    assert report.sha256 is None
    assert {g.reason for g in report.gaps} == {GapReason.CHANGED}


def test_unreadable_descriptor_is_a_gap(scanner, tmp_path):
    """A read error is reported, not raised."""
    path = tmp_path / "write-only"
    path.write_bytes(b"content")
    fd = os.open(path, os.O_WRONLY)
    try:
        report = scanner.scan_fd(fd, b"write-only")
    finally:
        os.close(fd)

    assert report.sha256 is None
    assert {g.reason for g in report.gaps} == {GapReason.UNREADABLE}


def test_digest_covers_holes(scanner, tmp_path):
    """The digest of a sparse file is that of its zeros too."""
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.write(b"head")
        file.truncate(10 << 20)
        file.seek(0, os.SEEK_END)
        file.write(b"tail")
    with path.open("rb") as file:
        report = scanner.scan_fd(file.fileno(), b"sparse")

    assert report.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert report.outcome is Outcome.CLEAN


@settings(max_examples=60, deadline=None, suppress_health_check=SHARED)
@given(content=st.binary(max_size=5000))
def test_random_bytes_are_clean(content, scan):
    """Bytes without structure give neither findings nor gaps nor exceptions."""
    assert scan(content).sha256 == hashlib.sha256(content).hexdigest()


@settings(max_examples=40, deadline=None, suppress_health_check=SHARED)
@given(content=st.binary(max_size=300))
def test_short_files_are_clean_in_the_deep_profile(content, scan):
    """Files shorter than a word, or than an alignment, are scanned like others."""
    assert scan(content, DEEP).sha256 == hashlib.sha256(content).hexdigest()


def test_random_data_holds_no_key(scan):
    """Sixteen megabytes of random data are clean."""
    assert scan(os.urandom(16 << 20)).outcome is Outcome.CLEAN


def test_scalar_without_its_point_is_clean(scan):
    """Aligned random scalars are not findings."""
    numbers = b"".join(
        ec.generate_private_key(ec.SECP256R1())
        .private_numbers()
        .private_value.to_bytes(32, "little")
        + bytes(32)
        for _ in range(50)
    )

    assert scan(numbers).outcome is Outcome.CLEAN


@pytest.mark.parametrize("order", ["little", "big"])
def test_bare_scalar_beside_its_public_key_is_found(order, scan):
    """A P-256 scalar at an aligned place counts when its SubjectPublicKeyInfo is in the file."""
    # From a seed: one scalar of 10,000 does not look random (``search/losses.py``).
    curve_key = ec.derive_private_key(random.Random(1).getrandbits(255), ec.SECP256R1())
    scalar = curve_key.private_numbers().private_value.to_bytes(32, order)
    content = spki(curve_key) + bytes(1024 - len(spki(curve_key))) + scalar + bytes(64)

    (finding,) = scan(content).findings

    assert finding.fingerprint == fingerprint(curve_key)
    assert [p.offset for p in finding.occurrences] == [1024]


def test_bare_seed_beside_its_public_key_is_found(scan):
    """An Ed25519 seed at an aligned place counts when its public key is in the file."""
    seed = ed25519.Ed25519PrivateKey.from_private_bytes(random.Random(2).randbytes(32))
    content = spki(seed) + bytes(1024 - len(spki(seed))) + seed.private_bytes_raw() + bytes(64)

    (finding,) = scan(content).findings

    assert finding.fingerprint == fingerprint(seed)
    assert finding.proof == (Proof.ED_KNOWN_PUBLIC_KEY,)


def test_more_places_than_the_limit_are_a_gap(scan):
    """A key in endless copies is one finding with a bounded list of places, and a gap."""
    small = ec.generate_private_key(ec.SECP256R1())
    copies = (private(small, ser.Encoding.PEM) + b"\n") * 20

    report = scan(copies, standard_scanner(limits=Limits(places=5)))

    assert [len(f.occurrences) for f in report.findings] == [5]
    assert {g.reason for g in report.gaps} == {GapReason.BUDGET}

"""Real core dumps of real processes: what is found in them, and what is not."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile

import pytest
import zstandard

from lockgate.formats.scanner import standard_scanner
from lockgate.scan.limits import Limits, Profile
from lockgate.scan.report import Finding, FindingClass, GapReason, Outcome, Proof, Report


def fingerprint(public: bytes) -> str:
    """The fingerprint as the dumped program's own public key gives it."""
    return "sha256:" + hashlib.sha256(public).hexdigest()


def private(report: Report) -> list[Finding]:
    """The private keys of a report; every process holds some generator's state beside."""
    return [f for f in report.findings if f.class_ is FindingClass.PRIVATE]


@pytest.mark.parametrize("kind", ["rsa2048", "rsa3072", "rsa4096"])
def test_rsa_key_in_memory_is_found_and_named(kind, dumped, scan):
    """A core of a process that holds an RSA key only as numbers names its public key."""
    core, public = dumped(kind)

    report = scan(core)

    assert report.outcome is Outcome.FOUND
    (finding,) = private(report)
    assert finding.fingerprint == fingerprint(public)
    assert finding.bits == int(kind[3:])
    assert {Proof.RSA_FACTORS, Proof.RSA_EXPONENTS, Proof.BIGNUM_STRUCTURE} <= set(finding.proof)
    assert all(place.address is not None for place in finding.occurrences)


def test_ec_key_in_memory_is_found_and_named(dumped, scan):
    """A P-256 scalar is found by its public point, with no certificate in the core."""
    core, public = dumped("ec")

    (finding,) = private(scan(core))

    assert finding.fingerprint == fingerprint(public)
    assert Proof.EC_KNOWN_POINT in finding.proof


def test_core_without_a_key_is_clean(dumped, scan):
    """The same program without a key gives a clean report, not an incomplete one."""
    core, _ = dumped("none")

    report = scan(core)

    assert (report.outcome, report.gaps) == (Outcome.CLEAN, ())
    assert report.sha256 == hashlib.sha256(core).hexdigest()


def test_places_hold_the_numbers_they_name(dumped, scan):
    """Every place of an RSA finding is where a number of the key stands."""
    core, _ = dumped("rsa2048")

    places = private(scan(core))[0].occurrences

    numbers = {int.from_bytes(core[p.offset : p.offset + p.length], "little") for p in places}
    primes = [n for n in numbers if 1020 < n.bit_length() <= 1024]
    moduli = {p * q for p in primes for q in primes if (p * q).bit_length() == 2048}
    assert any(n.to_bytes(256, "little") in core for n in moduli)


@pytest.mark.parametrize("damage", ["no header", "half", "headers elsewhere"])
def test_damaged_core_does_not_lose_its_key(damage, dumped, scan):
    """Without a map of memory the key's factors are found as runs of limbs."""
    core, public = dumped("rsa2048")
    damaged = {
        "no header": bytes(64) + core[64:],
        "half": core[: private(scan(core))[0].occurrences[-1].offset + 4096],
        "headers elsewhere": core[:32] + b"\xff" * 8 + core[40:],
    }[damage]

    report = scan(damaged)

    assert fingerprint(public) in {f.fingerprint for f in report.findings}
    assert bool(report.gaps) == (damage != "no header")


@pytest.mark.parametrize("shift", [1, 3, 4, 7])
def test_dump_without_a_header_may_have_any_alignment(shift, dumped, scan):
    """Memory that does not start at a multiple of eight is read at its own alignment."""
    core, public = dumped("rsa2048")

    report = scan(bytes(shift) + core[4096:])

    assert fingerprint(public) in {f.fingerprint for f in report.findings}


@pytest.mark.parametrize("pack", [lambda b: gzip.compress(b, 1), zstandard.compress])
def test_packed_core_is_read_as_memory(pack, dumped, scan):
    """A compressed core is followed by its memory map like an open one."""
    core, public = dumped("rsa2048")

    (finding,) = private(scan(pack(core)))

    assert finding.fingerprint == fingerprint(public)
    assert Proof.BIGNUM_STRUCTURE in finding.proof
    assert finding.occurrences[0].member is not None


def test_core_inside_tar_inside_gzip_is_told_once(dumped, scan):
    """A stored member's places are places of the member, not of its container too."""
    core, public = dumped("rsa2048")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
        entry = tarfile.TarInfo("var/core.1")
        entry.size = len(core)
        archive.addfile(entry, io.BytesIO(core))

    (finding,) = private(scan(packed.getvalue()))

    assert finding.fingerprint == fingerprint(public)
    assert {p.member for p in finding.occurrences} == {"gzip!var/core.1"}


def test_fast_profile_never_calls_a_dump_clean(dumped, scan):
    """The fast profile leaves numbers out, and says so."""
    core, _ = dumped("none")

    report = scan(core, standard_scanner(profile=Profile.FAST))

    assert report.outcome is Outcome.INCOMPLETE
    assert {g.reason for g in report.gaps} == {GapReason.PROFILE}


def test_time_limit_leaves_a_gap(dumped, scan):
    """A scan that runs out of time is incomplete and has no digest."""
    core, _ = dumped("none")

    report = scan(core, standard_scanner(limits=Limits(seconds=0.0)))

    assert report.sha256 is None
    assert GapReason.TIME_LIMIT in {g.reason for g in report.gaps}

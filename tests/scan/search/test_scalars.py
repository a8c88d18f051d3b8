"""Elliptic-curve secrets without a marker, planted in made-up memory and found by the scanner."""

from __future__ import annotations

import hashlib
import random

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from tests.scan.search.planted import (
    CURVES,
    PRIVATE_LAYOUTS,
    PUBLIC_LAYOUTS,
    EcKey,
    Memory,
    ed25519,
    limbs,
    plant_private,
    plant_public,
)

from lockgate.formats.scanner import standard_scanner
from lockgate.scan import native
from lockgate.scan.limits import Limits
from lockgate.scan.protected import protected_key
from lockgate.scan.prove import ec, edwards
from lockgate.scan.registry import Registry
from lockgate.scan.report import FindingClass, GapReason, Outcome, Proof


def fingerprints(report) -> set[str]:
    """The keys found."""
    return {finding.fingerprint for finding in report.findings}


def every_layout(name: str, seed: int) -> tuple[bytes, dict[str, str]]:
    """Memory with a key for each layout of either half, and the layouts by fingerprint."""
    memory, wanted = Memory(seed), {}
    for layout in PRIVATE_LAYOUTS:
        key = EcKey(name, memory.chance)
        plant_private(memory, layout, key)
        plant_public(memory, "limbs", key)
        wanted[key.fingerprint] = f"private as {layout}"
    for layout in PUBLIC_LAYOUTS:
        if (name, layout) != ("secp256k1", "Montgomery of SymCrypt"):
            key = EcKey(name, memory.chance)
            plant_public(memory, layout, key)
            plant_private(memory, "limbs", key)
            wanted[key.fingerprint] = f"public as {layout}"
    return memory.content(), wanted


@pytest.mark.parametrize("with_c", [True, False])
@pytest.mark.parametrize("name", CURVES)
def test_every_layout_of_either_half_is_found(name, with_c, scan):
    """Each layout is found by its other half alone, with and without C, and nothing else is."""
    content, wanted = every_layout(name, 20)

    if with_c:
        report = scan(content)
    else:
        with native.off():
            report = scan(content)

    assert {wanted[f] for f in wanted.keys() - fingerprints(report)} == set()
    assert fingerprints(report) == wanted.keys()
    assert report.gaps == ()


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("layout", ["limbs", "big-endian at 4", "SSH mpint", "HPROF int[]"])
def test_registered_key_needs_no_public_half_in_the_file(name, layout, scan):
    """A scalar alone is found when its public key is registered, and named."""
    memory = Memory(21)
    key = EcKey(name, memory.chance)
    plant_private(memory, layout, key)
    public = ec.CURVES[name].make()
    point = EllipticCurvePublicKey.from_encoded_point(public, key.point)
    registry = Registry.of([protected_key("signing", point)])

    report = scan(memory.content(), standard_scanner(registry))

    assert [(f.protected_name, f.class_) for f in report.findings] == [
        ("signing", FindingClass.PROTECTED)
    ]
    assert scan(memory.content()).outcome is Outcome.CLEAN


def test_seed_expanded_and_x25519_keys_are_found(scan):
    """Seed beside its public key, an expanded half, and an X25519 pair, in runs and apart."""
    memory = Memory(22)
    chance, wanted = memory.chance, {}
    seed = chance.randbytes(32)
    public, wanted["seed and public key in one run"] = ed25519(seed)
    memory.plant(seed + public)
    seed = chance.randbytes(32)
    public, wanted["seed and public key apart"] = ed25519(seed)
    memory.plant(seed)
    memory.plant(public)
    seed = chance.randbytes(32)
    public, wanted["expanded"] = ed25519(seed)
    memory.plant(hashlib.sha512(seed).digest() + public)
    seed = chance.randbytes(32)
    public, wanted["OpenSSH string at an odd address"] = ed25519(seed)
    memory.plant(b"\0\0\0\x20" + public + b"\0\0\0\x40" + seed + public, 3)
    for form in ("clamped", "not clamped"):
        secret = bytearray(chance.randbytes(32))
        if form == "clamped":
            secret[0] &= 0xF8
            secret[31] = secret[31] & 0x7F | 0x40
        public = edwards.public_key("X25519", bytes(secret))
        wanted[form] = edwards.fingerprint("X25519", public)
        memory.plant(public)
        memory.plant(bytes(secret))

    report = scan(memory.content())

    assert fingerprints(report) == set(wanted.values())
    assert report.outcome is Outcome.FOUND


@pytest.mark.parametrize("algorithm", ["Ed448", "X448"])
def test_448_bit_key_is_found_by_its_announced_public_half(algorithm, scan):
    """The slow curves are tried against public keys that a structure announces."""
    memory = Memory(23)
    size = edwards.ALGORITHMS[algorithm].size
    secret = memory.chance.randbytes(size)
    public = edwards.public_key(algorithm, secret)
    memory.plant(secret)
    header = edwards.ALGORITHMS[algorithm].oid + bytes((3, size + 1, 0))
    memory.plant(public, 1, header)

    report = scan(memory.content())

    assert fingerprints(report) == {edwards.fingerprint(algorithm, public)}


def test_random_bytes_digests_and_tables_are_no_keys(scan):
    """Nothing is found in random bytes, in digests, and in multiples of the generator."""
    memory = Memory(24)
    base = ec.CURVES["P-256"]
    for k in (*range(1, 40), 1 << 64, 1 << 130, base.order - 5, (base.order + 1) // 2):
        point = ec.public_point(base, k)
        memory.plant(limbs(k, 256))
        memory.plant(point[1:33][::-1])
        memory.plant(hashlib.sha256(point).digest())
    memory.plant(random.Random(25).randbytes(1 << 18))

    report = scan(memory.content())

    assert (report.findings, report.gaps) == ((), ())


def test_places_are_those_of_the_scalar(scan):
    """Each copy of a scalar is a place, in either byte order and at any alignment."""
    memory = Memory(26)
    key = EcKey("P-256", memory.chance)
    plant_public(memory, "point", key)
    plant_private(memory, "limbs", key)
    plant_private(memory, "big-endian", key)
    plant_private(memory, "DER", key)
    content = memory.content()

    (finding,) = scan(content).findings

    little = key.d.to_bytes(32, "little")
    places = {content[p.offset : p.offset + p.length] for p in finding.occurrences}
    assert len(finding.occurrences) == 3
    assert places == {little, little[::-1]}
    assert Proof.EC_KNOWN_POINT in finding.proof


def nonce_signature(key: EcKey) -> bytes:
    """A DER signature whose r is X of the key: the key is its nonce (s is any number)."""
    r = b"\0" + key.x.to_bytes(32, "big") if key.x >> 255 else key.x.to_bytes(32, "big")
    body = bytes((2, len(r))) + r + b"\x02\x20" + bytes(range(0x20, 0x40))
    return bytes((0x30, len(body))) + body


@pytest.mark.parametrize("evidence", ["key share", "signature"])
def test_ephemeral_key_is_told_by_where_its_public_half_stands(evidence, scan):
    """A key share or a signature shows a key to be ephemeral; a certificate shows it is not."""
    memory = Memory(27)
    key = EcKey("P-256", memory.chance)
    plant_private(memory, "limbs", key)
    if evidence == "key share":
        memory.plant(key.point, 3, b"\0\x17\0\x41")
    else:
        memory.plant(nonce_signature(key), 5)

    (finding,) = scan(memory.content()).findings
    plant_public(memory, "BIT STRING", key)
    (lasting,) = scan(memory.content()).findings

    assert finding.class_ is FindingClass.SESSION
    assert lasting.class_ is FindingClass.PRIVATE


def test_key_behind_more_decoys_than_the_budget_is_incomplete(scan):
    """Past the budget the report is incomplete; within it the key is found behind the decoys."""
    memory = Memory(28)
    for _ in range(300):
        memory.plant(memory.chance.randbytes(32))
    key = EcKey("P-256", memory.chance)
    memory.plant(limbs(key.d, 256) + memory.chance.randbytes(30))
    plant_public(memory, "limbs", key)
    content = memory.content()

    small = scan(content, standard_scanner(limits=Limits(seeds=100)))

    assert fingerprints(scan(content)) == {key.fingerprint}
    assert small.outcome is Outcome.INCOMPLETE
    assert GapReason.BUDGET in {gap.reason for gap in small.gaps}


def test_a_pair_in_two_members_is_found(scan):
    """The two halves may stand far from each other in the file."""
    memory = Memory(29)
    key = EcKey("P-384", memory.chance)
    plant_private(memory, "limbs", key)
    first = memory.content() + bytes(3 << 20)
    rest = Memory(30)
    plant_public(rest, "Montgomery", key)

    assert fingerprints(scan(first + rest.content())) == {key.fingerprint}

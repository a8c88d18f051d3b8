"""A key behind each bound of a scan: found within it, and never "clean" beyond it.

Every field of :class:`lockgate.scan.limits.Limits` has a row here. A row makes a file with one
key, which the standard limits find, and sets the bound so low that the key stands behind it.
"""

from __future__ import annotations

import base64
import dataclasses
import gzip
import lzma
import os
import random
import struct
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec, x448
from tests.scan.containers.packers import ARCHIVES, pack
from tests.scan.dumps import heaps, writers
from tests.scan.dumps.planted import plant
from tests.scan.search import test_aes, test_openssl_points, test_salted, test_shielded
from tests.scan.search.number_forms import ordinary_rsa_key
from tests.scan.search.planted import EcKey, Memory, limbs, plant_public

from lockgate.formats.scanner import standard_scanner
from lockgate.scan import rules, walk
from lockgate.scan.containers.hprof import Hprof
from lockgate.scan.limits import Limits
from lockgate.scan.report import GapReason, Outcome

Row = tuple[Callable[[], bytes], dict[str, float]]


def pem() -> bytes:
    """A test key as text."""
    form = ser.Encoding.PEM, ser.PrivateFormat.PKCS8, ser.NoEncryption()
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(*form)


def in_layers(pack_one: Callable[[bytes], bytes]) -> bytes:
    """The key in two layers."""
    return pack_one(pack_one(pem()))


def behind_zeros() -> bytes:
    """A key behind 16 MiB that pack to next to nothing."""
    return lzma.compress(bytes(16 << 20) + pem())


def scalars(name: str, decoys: int = 300) -> bytes:
    """A bare scalar behind others that belong to nothing."""
    memory = Memory(28)
    size = {"P-256": 32, "P-384": 48}[name]
    for _ in range(decoys):
        memory.plant(memory.chance.randbytes(size))
    key = EcKey(name, memory.chance)
    memory.plant(limbs(key.d, 8 * size))
    plant_public(memory, "limbs", key)
    return memory.content()


def scalar_448() -> bytes:
    """The same on Curve448, whose public half stands in a certificate's form."""
    memory = Memory(31)
    key = x448.X448PrivateKey.from_private_bytes(memory.chance.randbytes(56))
    for _ in range(40):
        memory.plant(memory.chance.randbytes(56))
    memory.plant(key.private_bytes_raw())
    form = ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo
    memory.plant(key.public_key().public_bytes(*form))
    return memory.content()


def many_pairs() -> bytes:
    """Several pairs of a scalar and its point."""
    memory = Memory(33)
    for _ in range(6):
        key = EcKey("P-256", memory.chance)
        memory.plant(limbs(key.d, 256))
        plant_public(memory, "limbs", key)
    return memory.content()


def numbers(moduli: int = 1) -> bytes:
    """RSA keys as bare numbers: n, and p behind it."""
    memory = Memory(35)
    keys = [ordinary_rsa_key(1024).private_numbers() for _ in range(moduli)]
    for key in keys:
        memory.plant(limbs(key.public_numbers.n, 1024))
    memory.plant(limbs(keys[-1].p, 512))
    return memory.content()


def structures() -> bytes:
    """A dump with a key whose point only OpenSSL's structures lead to."""
    chance = random.Random(34)
    key = EcKey("P-256", chance)
    return test_openssl_points.generated(key, montgomery=True, chance=chance).core()


def waiting() -> bytes:
    """Private keys that are proven by a public half elsewhere in the file only."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(3)]
    bare, publics = b"", b""
    for key in keys:
        secret = key.private_numbers().private_value.to_bytes(32, "big")
        bare += bytes.fromhex("30310201010420") + secret + bytes.fromhex("a00a06082a8648ce3d030107")
        form = ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo
        publics += key.public_key().public_bytes(*form)
    return bare + b"\n" * 64 + publics


def schedules() -> bytes:
    """AES schedules, one behind another."""
    one = [test_aes.schedule(os.urandom(32), test_aes.PLAIN) for _ in range(30)]
    return b"".join(schedule + bytes(16) for schedule in one)


def generators() -> bytes:
    """A schedule beside many states of generators, its own the last of them."""
    key = os.urandom(32)
    others = b"".join(test_aes.drbg(os.urandom(32), 1) + bytes(12) for _ in range(30))
    data = test_aes.schedule(key, test_aes.PLAIN) + bytes(160) + others + test_aes.drbg(key, 1)
    return data + bytes(400 + -len(data) % 8)


def shielded() -> bytes:
    """A shielded key behind many structures that lead nowhere."""
    key, prekey = ec.generate_private_key(ec.SECP256R1()), os.urandom(16384)
    decoy = struct.pack("<QQQQ", test_shielded.HEAP, 128, test_shielded.HEAP + 0x2010, 16384)
    sealed = test_shielded.shielded(test_shielded.section(key), prekey)
    return test_shielded.core(decoy * 8 + test_shielded.heap(sealed, prekey)[len(decoy) * 8 :])


def sparse_member() -> bytes:
    """A sparse image whose key stands behind a hole."""
    return pack(ARCHIVES["qcow2"], pem())


ROWS: dict[str, Row] = {
    "depth": (lambda: in_layers(gzip.compress), {"depth": 1}),
    "encodings": (lambda: in_layers(base64.b64encode), {"encodings": 1}),
    "unpacked_bytes": (
        lambda: gzip.compress(os.urandom(65536) + pem()),
        {"unpacked_bytes": 10_000},
    ),
    "ratio": (behind_zeros, {"ratio": 10, "ratio_free_bytes": 1 << 20}),
    "ratio_free_bytes": (behind_zeros, {"ratio_free_bytes": 1 << 20}),
    "hole_bytes": (sparse_member, {"hole_bytes": 1 << 12}),
    "members": (lambda: pack(ARCHIVES["tar gnu"], pem()), {"members": 1}),
    "held_bytes": (lambda: gzip.compress(pack(ARCHIVES["ext4"], pem())), {"held_bytes": 1 << 12}),
    "memory_bytes": (lambda: lzma.compress(os.urandom(3 << 20) + pem()), {"memory_bytes": 1 << 20}),
    "regions": (structures, {"regions": 1}),
    "frames": (lambda: writers.pagedump(plant().memory, 5).data, {"frames": 8}),
    "seconds": (pem, {"seconds": 0.0}),
    "prove_seconds": (lambda: b"text " + pem(), {"prove_seconds": 0.0}),
    "number_seconds": (numbers, {"number_seconds": 0.0}),
    "sightings": (lambda: b"\n".join(pem() for _ in range(5)), {"sightings": 2}),
    "places": (lambda: pem() * 9, {"places": 2}),
    "bignums": (structures, {"bignums": 2}),
    "moduli": (lambda: numbers(4), {"moduli": 1}),
    "seeds": (lambda: scalars("P-256"), {"seeds": 100}),
    "long_seeds": (lambda: scalars("P-384"), {"long_seeds": 100}),
    "slow_seeds": (scalar_448, {"slow_seeds": 10}),
    "suspects": (many_pairs, {"suspects": 2}),
    "publics": (waiting, {"publics": 1}),
    "schedules": (schedules, {"schedules": 10}),
    "generators": (generators, {"generators": 10}),
    "shielded": (shielded, {"shielded": 4}),
}
#: Bounds beyond which the key may still be known, and only more of it, or of others, is not.
_MAY_BE_FOUND = {
    "frames", "generators", "hole_bytes", "long_seeds", "memory_bytes", "places", "publics",
    "schedules", "seeds", "shielded", "sightings", "slow_seeds", "suspects",
}  # fmt: skip


@pytest.mark.parametrize("field", ROWS)
def test_key_behind_a_bound_is_never_clean(field, scan):
    """Within the bound: found, without a gap. Beyond it: a gap, and incomplete if nothing else."""
    make, low = ROWS[field]
    content = make()

    whole, cut = scan(content), scan(content, standard_scanner(limits=Limits(**low)))

    assert whole.findings
    assert not whole.gaps
    assert cut.gaps
    expected = (
        {Outcome.INCOMPLETE, Outcome.FOUND} if field in _MAY_BE_FOUND else {Outcome.INCOMPLETE}
    )
    assert cut.outcome in expected


def test_more_arrays_of_a_heap_than_the_bound_are_a_gap(scan, monkeypatch):
    """A Java heap whose arrays are not all moved to words."""
    key = ordinary_rsa_key().private_numbers()
    numbers = ((key.public_numbers.n, 256), (key.p, 128))
    words = [heaps.array(value.to_bytes(size, "big"), 10) for value, size in numbers]
    content = heaps.hprof([heaps.array(b"\1" * 64, 10), *words]).data
    assert scan(content).findings

    few = [Hprof(arrays=1) if isinstance(a, Hprof) else a for a in walk.ARCHIVES]
    monkeypatch.setattr(walk, "ARCHIVES", few)

    assert {gap.reason for gap in scan(content).gaps} == {GapReason.BUDGET}


def test_rules_out_of_time_are_a_gap(scan, monkeypatch):
    """YARA gives up: nothing of the block was looked at."""

    def give_up(*_: object, **__: object) -> None:
        raise rules.RuleError("the rules took longer than allowed")

    monkeypatch.setattr(rules, "_matches", give_up)

    assert scan(pem()).outcome is Outcome.INCOMPLETE


def test_anchors_of_registered_secrets_beyond_the_bound_are_a_gap(scan):
    """A registered secret behind many that only begin like it."""
    secret = os.urandom(32)
    content = (secret[:8] + bytes(24)) * 50 + secret
    few = test_salted.scanner_for(secret, limits=Limits(secret_windows=20))

    assert scan(content, test_salted.scanner_for(secret)).findings
    assert scan(content, few).outcome is Outcome.INCOMPLETE


def test_every_bound_has_its_test():
    """A new field of the limits needs a row."""
    alone = {"heap_arrays", "rule_seconds", "secret_windows"}

    assert {field.name for field in dataclasses.fields(Limits)} == {*ROWS, *alone}

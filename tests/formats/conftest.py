"""Scan bytes with the formats alone, without the engine, and make keys for it."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yara
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x448, x25519

sys.path.insert(0, str(Path(__file__).parent))

from lockgate import formats
from lockgate.scan.evidence import Candidate, Evidence, Judgement, Proven
from lockgate.scan.rules import RulePack
from lockgate.scan.unfold import Unfolder

MAKERS: dict[str, Callable[[], object]] = {
    "rsa-1024": lambda: rsa.generate_private_key(65537, 1024),
    "rsa-2048": lambda: rsa.generate_private_key(65537, 2048),
    "rsa-2048-e3": lambda: rsa.generate_private_key(3, 2048),
    "p224": lambda: ec.generate_private_key(ec.SECP224R1()),
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "brainpool256": lambda: ec.generate_private_key(ec.BrainpoolP256R1()),
    "brainpool384": lambda: ec.generate_private_key(ec.BrainpoolP384R1()),
    "brainpool512": lambda: ec.generate_private_key(ec.BrainpoolP512R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "x25519": x25519.X25519PrivateKey.generate,
    "ed448": ed448.Ed448PrivateKey.generate,
    "x448": x448.X448PrivateKey.generate,
    "dsa-1024": lambda: dsa.generate_private_key(1024),
}


@pytest.fixture(scope="session")
def keys() -> dict[str, object]:
    """One fresh key of every kind."""
    return {name: make() for name, make in MAKERS.items()}


def spki_fingerprint(key: object) -> str:
    """The fingerprint as ``cryptography`` encodes the public key."""
    public = key.public_key().public_bytes(ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo)
    return f"sha256:{hashlib.sha256(public).hexdigest()}"


def encode(key: object, encoding: str, form: str, password: bytes | None = None) -> bytes:
    """The private key in one encoding (DER or PEM) and form (PKCS8, TraditionalOpenSSL ...)."""
    sealing = ser.BestAvailableEncryption(password) if password else ser.NoEncryption()
    return key.private_bytes(
        getattr(ser.Encoding, encoding), getattr(ser.PrivateFormat, form), sealing
    )


@pytest.fixture(scope="session")
def fingerprint() -> Callable[[object], str]:
    """See :func:`spki_fingerprint`."""
    return spki_fingerprint


@pytest.fixture(scope="session")
def encoded() -> Callable[..., bytes]:
    """See :func:`encode`."""
    return encode


@pytest.fixture(scope="session")
def judge() -> Callable[[bytes], list[Judgement]]:
    """All judgements of all formats over the bytes of one member."""
    rules = {f: yara.compile(source=f.rule_source) for f in formats.ALL}
    pack = RulePack({f.name: f.rule_source for f in formats.ALL}, "")
    unfolder = Unfolder(pack, {f.name: f for f in formats.ALL}, seconds=20, depth=4)

    def run(member: bytes) -> list[Judgement]:
        found: list[Judgement] = []
        for form, rule in rules.items():
            for match in rule.match(data=member):
                places = (p.offset for string in match.strings for p in string.instances)
                for place in places:
                    found += unfolder.settle(form, _candidate(member, form, match.rule, place))
        return found

    return run


def _candidate(member: bytes, form: object, rule: str, place: int) -> Candidate:
    before, after = form.reach
    start, end = max(0, place - before), min(len(member), place + after)
    return Candidate(rule, member[start:end], start, place - start, start == 0, end == len(member))


@pytest.fixture(scope="session")
def proven(judge: Callable[[bytes], list[Judgement]]) -> Callable[[bytes], list[Evidence]]:
    """All evidence that is proven in the bytes of one member, the longest first."""

    def run(member: bytes) -> list[Evidence]:
        evidence = [e for j in judge(member) if isinstance(j, Proven) for e in j.evidence]
        return sorted(evidence, key=lambda e: -e.length)

    return run

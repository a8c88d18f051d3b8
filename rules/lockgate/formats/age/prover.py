"""Settle age identities by their checksum.

Rules enforced here:

1. The checksum of 30 bits is the proof; the public half of an X25519 identity is derived.
2. A hybrid identity (``AGE-SECRET-KEY-PQ-``) is known by the hash of its seed: age has no
   SubjectPublicKeyInfo for it. Identities of plugins are names of keys held elsewhere.
"""

from __future__ import annotations

import hashlib
import re

from lockgate.formats.age import bech32
from lockgate.formats.plain_text import text_around
from lockgate.formats.rule_format import placed, private_key
from lockgate.scan.evidence import Candidate, Evidence, Judgement, Proven, Refuted, Undecided
from lockgate.scan.prove import edwards
from lockgate.scan.report import Proof

NAME = "age"

_X25519, _HYBRID = b"AGE-SECRET-KEY-", b"AGE-SECRET-KEY-PQ-"
_IDENTITY = re.compile(rb"(AGE-SECRET-KEY-(?:PQ-)?)1([A-Z0-9]{58,64})(?![A-Z0-9])")
_SECRET_BYTES = 32
_BECH32 = re.compile(rb"(?:PQ-)?1[AC-HJ-NP-Z02-9]{20,}")
_LONGEST = 128


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of the rule, which begins at the human-readable part."""
    text = text_around(candidate, 0, _LONGEST)
    identity = _IDENTITY.match(text.data)
    secret = bech32.decode(identity[1], identity[2]) if identity else None
    if identity is None or secret is None or len(secret) != _SECRET_BYTES:
        return _unread(text.data, *text.span(0, _LONGEST))
    evidence = _hybrid(secret) if identity[1] == _HYBRID else _x25519(secret)
    return placed(Proven((evidence,)), NAME, *text.span(0, identity.end()))


def _unread(text: bytes, offset: int, length: int) -> Judgement:
    """A character lost or changed leaves the key to guess in moments."""
    body = _BECH32.match(text, len(_X25519))
    if body and len(set(body[0])) > len(body[0]) // 4:
        return Undecided("an age identity that is cut or damaged", offset, length)
    return Refuted("no identity after the prefix")


def _x25519(secret: bytes) -> Evidence:
    fingerprint = edwards.fingerprint("X25519", edwards.public_key("X25519", secret))
    return private_key(NAME, "X25519", 256, fingerprint, 0, (Proof.CHECKSUM,))


def _hybrid(secret: bytes) -> Evidence:
    fingerprint = f"sha256:{hashlib.sha256(secret).hexdigest()}"
    return private_key(NAME, "ML-KEM-768 with X25519", 256, fingerprint, 0, (Proof.CHECKSUM,))

"""Settle Bitcoin keys by their checksum.

Sources: BIP 32, "Serialization format" (78 bytes: version, depth, parent, number, chain code,
zero and key); SLIP 132 (versions); Bitcoin's wallet import format (version, key, a one for a
compressed public key). Both end in four bytes of the double SHA-256.

Rules enforced here:

1. The checksum of 32 bits proves, and the scalar must be one of secp256k1.
"""

from __future__ import annotations

import hashlib
import re

from lockgate.formats.plain_text import text_around
from lockgate.formats.rule_format import placed, private_key
from lockgate.scan.evidence import Candidate, Judgement, Proven, Refuted
from lockgate.scan.prove import ec
from lockgate.scan.report import Proof

NAME = "bitcoin"

_ALPHABET = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_WORD = re.compile(rb"[1-9A-HJ-NP-Za-km-z]{51,112}")
_AROUND = 160
_EXTENDED_BYTES, _KEY_AT = 78, 46
_WIF_BYTES = {33, 34}
_WIF_VERSIONS = {0x80, 0xEF}
_CHECKSUM = 4
_CURVE = ec.CURVES["secp256k1"]


def settle(candidate: Candidate) -> Judgement:
    """Settle a match: a key begins at it, or stands on the line around it."""
    text = text_around(candidate, _AROUND, _AROUND)
    for word in _WORD.finditer(text.data):
        scalar = _scalar(word[0])
        if scalar is not None:
            fingerprint = ec.fingerprint(_CURVE, ec.public_point(_CURVE, scalar))
            evidence = private_key(
                NAME, f"EC {_CURVE.name}", _CURVE.bits, fingerprint, 0, (Proof.CHECKSUM,)
            )
            return placed(Proven((evidence,)), NAME, *text.span(*word.span()))
    return Refuted("no key with its checksum")


def _scalar(word: bytes) -> int | None:
    """The private key that a word of base58 stands for."""
    data = _decode(word)
    if data is None:
        return None
    if len(data) == _EXTENDED_BYTES and data[_KEY_AT - 1] == 0:
        scalar = int.from_bytes(data[_KEY_AT:], "big")
    elif len(data) in _WIF_BYTES and data[0] in _WIF_VERSIONS and data[33:] in {b"", b"\1"}:
        scalar = int.from_bytes(data[1:33], "big")
    else:
        return None
    return scalar if 1 <= scalar < _CURVE.order else None


def _decode(word: bytes) -> bytes | None:
    """Base58 with its checksum taken off; None when that does not agree."""
    number = 0
    for character in word:
        number = number * 58 + _ALPHABET.index(character)
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    body, checksum = data[:-_CHECKSUM], data[-_CHECKSUM:]
    digest = hashlib.sha256(hashlib.sha256(body).digest()).digest()
    return body if digest[:_CHECKSUM] == checksum else None

"""Settle CryptoAPI's PRIVATEKEYBLOB (RSAPUBKEY and the numbers, little-endian) and PVK files.

Rules enforced here:

1. Sizes follow from the modulus: n, then p, q, dP, dQ, qInv of half its size, then d.
2. An encrypted PVK is a sealed key: its blob begins in the clear and goes on random.
"""

from __future__ import annotations

import hashlib
import struct

from lockgate.formats.numbers import rsa_private
from lockgate.formats.rule_format import (
    DISAGREEING,
    looks_random,
    moved,
    placed,
    private_key,
    sealed_key,
)
from lockgate.scan.evidence import Candidate, Judgement, Proven, Refuted, Undecided
from lockgate.scan.prove import rsa

NAME = "capi"

#: magic, reserved, key type, whether encrypted, bytes of salt, bytes of key (PVK).
_PVK = struct.Struct("<6I")
_PVK_MAGIC = b"\x1e\xf1\xb5\xb0"
#: BLOBHEADER without its ALG_ID, ALG_ID; then RSAPUBKEY: magic, bits, public exponent.
_HEADER = struct.Struct("<4sI4sII")
_LEAST_BITS, _MOST_BITS = 384, 16384
_MOST_SALT = 1024
_MOST_KEY = 16384
#: Fewer visible bytes of the private part than this give nothing away.
_TELLING = 12


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of the rule, which begins at either magic."""
    start = candidate.match
    data = candidate.window[start:]
    judged = _pvk(data) if data.startswith(_PVK_MAGIC) else judge(data)
    return moved(judged, candidate.window_offset + start)


def judge(data: bytes) -> Judgement:
    """Settle a PRIVATEKEYBLOB that begins at the first byte."""
    if len(data) < _HEADER.size:
        return Refuted("no room for a header")
    _, _, _, bits, e = _HEADER.unpack_from(data)
    if bits % 16 or not _LEAST_BITS <= bits <= _MOST_BITS or not e & 1:
        return Refuted("no size of an RSA key")
    half = bits // 16
    numbers = _numbers(data[_HEADER.size :], half)
    length = _HEADER.size + 9 * half
    key = rsa_private(rsa.RsaNumbers(numbers[0], e, *_private_part(numbers)))
    if key is not None:
        end = min(length, len(data))
        evidence = private_key(NAME, key.algorithm, key.bits, key.fingerprint, end, key.proof)
        return Proven((evidence,))
    telling = len(data) >= _HEADER.size + 2 * half + _TELLING
    if telling and len(data) < length and rsa.plausible_modulus(numbers[0]):
        return Undecided("an RSA private key blob that is cut", 0, len(data))
    return DISAGREEING


def _numbers(data: bytes, half: int) -> list[int]:
    """n, p, q, dP, dQ, qInv, d: as many as are whole; the modulus is always there."""
    found, at = [], 0
    for size in (2 * half, half, half, half, half, half, 2 * half):
        if at + size > len(data):
            break
        found.append(int.from_bytes(data[at : at + size], "little"))
        at += size
    return found or [0]


def _private_part(numbers: list[int]) -> tuple[int | None, ...]:
    """d, p, q, dP, dQ, qInv, in the order of RFC 8017."""
    known: list[int | None] = [*numbers]
    _, p, q, dp, dq, qinv, d = (known + [None] * 6)[:7]
    return d, p, q, dp, dq, qinv


def _pvk(data: bytes) -> Judgement:
    if len(data) < _PVK.size:
        return Refuted("no room for a header")
    _, _, _, sealed, salt, size = _PVK.unpack_from(data)
    if salt > _MOST_SALT or size > _MOST_KEY:
        return Refuted("no sizes of a key file")
    body = data[_PVK.size + salt : _PVK.size + salt + size]
    length = _PVK.size + salt + size
    if not sealed:
        return placed(judge(body), NAME, 0, min(length, len(data)))
    if len(body) < size or not looks_random(body[8:]):
        return Undecided("a sealed key file that is cut", 0, len(data))
    digest = hashlib.sha256(data[:length]).hexdigest()
    return Proven((sealed_key(NAME, "RSA", 0, f"blob-sha256:{digest}", length),))

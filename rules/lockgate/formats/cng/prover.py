"""Settle key blobs of CNG: BCRYPT_RSAKEY_BLOB and BCRYPT_ECCKEY_BLOB (bcrypt.h).

Rules enforced here: headers are little-endian, numbers big-endian; a blob whose numbers agree
is a key, and a cut one is judged by what is left of it.
"""

from __future__ import annotations

import struct

from lockgate.formats.numbers import ec_private, rsa_private
from lockgate.formats.rule_format import DISAGREEING, moved, private_key
from lockgate.scan.evidence import Candidate, Judgement, Proven, Refuted, Undecided
from lockgate.scan.prove import ec, rsa
from lockgate.scan.prove.ssh_keys import ShownKey

NAME = "cng"

#: magic, bits, bytes of e, n, p and q.
_RSA = struct.Struct("<4s5I")
#: magic, bytes of each of x, y and d.
_ECC = struct.Struct("<4sI")
_FULL = b"RSA3"
_MOST_BITS = 16384


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of the rule, which begins at the magic."""
    start = candidate.match
    data = candidate.window[start:]
    judged = _rsa(data) if data.startswith(b"RSA") else _ecc(data)
    return moved(judged, candidate.window_offset + start)


def _rsa(data: bytes) -> Judgement:
    if len(data) < _RSA.size:
        return Refuted("no room for a header")
    magic, bits, e_size, n_size, p_size, q_size = _RSA.unpack_from(data)
    if not 0 < bits <= _MOST_BITS or n_size != -(-bits // 8) or p_size + q_size > n_size + 8:
        return Refuted("no sizes of an RSA key")
    sizes = [e_size, n_size, p_size, q_size]
    if magic == _FULL:
        sizes += [p_size, q_size, p_size, n_size]
    e, n, *private = _big_endian(data, _RSA.size, sizes)
    p, q, dp, dq, qinv, d = (private + [None] * 6)[:6]
    length = _RSA.size + sum(sizes)
    if n is not None and e is not None:
        key = rsa_private(rsa.RsaNumbers(n, e, d, p, q, dp, dq, qinv))
        if key is not None:
            return _proven(key, min(length, len(data)))
        if len(data) < length and p_size and rsa.plausible_modulus(n):
            return Undecided("an RSA private key blob that is cut", 0, len(data))
    return DISAGREEING


def _ecc(data: bytes) -> Judgement:
    if len(data) < _ECC.size:
        return Refuted("no room for a header")
    _, size = _ECC.unpack_from(data)
    x, y, d = _big_endian(data, _ECC.size, [size] * 3)
    if x is None or y is None or d is None:
        return Refuted("cut before or in the private part")
    stored = b"\x04" + data[_ECC.size : _ECC.size + 2 * size]
    for curve in ec.CURVES.values():
        key = ec_private(curve, d, stored) if curve.size == size else None
        if key is not None:
            return _proven(key, _ECC.size + 3 * size)
    return DISAGREEING


def _big_endian(data: bytes, at: int, sizes: list[int]) -> list[int | None]:
    """The numbers of these sizes from ``at``; None where the data has ended."""
    found: list[int | None] = []
    for size in sizes:
        whole = at + size <= len(data)
        found.append(int.from_bytes(data[at : at + size], "big") if whole else None)
        at += size
    return found


def _proven(key: ShownKey, length: int) -> Proven:
    evidence = private_key(NAME, key.algorithm, key.bits, key.fingerprint, length, key.proof)
    return Proven((evidence,))

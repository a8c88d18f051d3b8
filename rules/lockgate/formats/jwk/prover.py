"""Settle JSON Web Keys by their numbers.

Rules enforced here:

1. A key is private when the private members agree with the public ones; an elliptic key
   without its point needs a scalar of exact length and range.
2. ``oct`` keys have no public half: exact base64url of random bytes in a complete object.
3. Members that should agree and do not are undecided, not clean.
"""

from __future__ import annotations

from collections.abc import Mapping

from lockgate.formats.jwk.members import object_around
from lockgate.formats.opaque import LEAST_BITS, symmetric_key
from lockgate.formats.plain_text import decode_base64, text_around
from lockgate.formats.rule_format import looks_random, placed, private_key
from lockgate.scan.evidence import Candidate, Judgement, Proven, Refuted, Undecided
from lockgate.scan.prove import ec, edwards, rsa
from lockgate.scan.report import Proof

NAME = "jwk"
#: Characters in front of the key type in which the object must open (twice the bytes in UTF-16).
BEFORE = 32 << 10

_CURVES = {
    b"P-256": "P-256", b"P-384": "P-384", b"P-521": "P-521", b"secp256k1": "secp256k1",
    b"P-256K": "secp256k1", b"BP-256": "brainpoolP256r1", b"BP-384": "brainpoolP384r1",
    b"BP-512": "brainpoolP512r1",
}  # fmt: skip
_PRIVATE_MEMBERS = {b"d", b"p", b"k", b"priv"}
_DISAGREE = Undecided("a private JSON Web Key that is cut or damaged", 0, 0)


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of the rule, which begins at the quote before ``kty``."""
    text = text_around(candidate, BEFORE // 2, 16 << 10)
    found = object_around(text.data, text.index)
    judgement = judge(found.members)
    return placed(judgement, NAME, *text.span(found.start, found.stop))


def judge(members: Mapping[bytes, bytes]) -> Judgement:
    """Settle the members of one object."""
    if not members.keys() & _PRIVATE_MEMBERS:
        return Refuted("no private member")
    match members.get(b"kty"):
        case b"RSA":
            return _rsa(members)
        case b"EC":
            return _ec(members)
        case b"OKP":
            return _okp(members)
        case b"oct":
            return _oct(members)
    return Refuted("no key type with a private half")


def _bytes(members: Mapping[bytes, bytes], name: bytes) -> bytes:
    """The decoded member; empty when it is missing or no base64url."""
    return decode_base64(members.get(name, b"")) or b""


def _number(members: Mapping[bytes, bytes], name: bytes) -> int | None:
    return int.from_bytes(_bytes(members, name), "big") or None


def _rsa(members: Mapping[bytes, bytes]) -> Judgement:
    n, e = _number(members, b"n") or 0, _number(members, b"e") or 0
    names = (b"d", b"p", b"q", b"dp", b"dq", b"qi")
    private = (_number(members, name) for name in names)
    key = rsa.recover(rsa.RsaNumbers(n, e, *private))
    if key is not None:
        fingerprint = rsa.fingerprint(key.n, key.e)
        return Proven((private_key(NAME, "RSA", key.n.bit_length(), fingerprint, 0, key.proof),))
    return _unproven(members, b"d")


def _unproven(members: Mapping[bytes, bytes], name: bytes) -> Judgement:
    secret = _bytes(members, name)
    if len(secret) >= LEAST_BITS // 8 and looks_random(secret):
        return _DISAGREE
    return Refuted("no private key in the private member")


def _ec(members: Mapping[bytes, bytes]) -> Judgement:
    curve = ec.CURVES.get(_CURVES.get(members.get(b"crv", b""), ""))
    secret = _bytes(members, b"d")
    d = int.from_bytes(secret, "big")
    if curve is None or not 1 <= d < curve.order:
        return _unproven(members, b"d")
    point = ec.public_point(curve, d)
    x, y = (_number(members, name) for name in (b"x", b"y"))
    stored = (x, y)
    derived = (
        int.from_bytes(point[1 : 1 + curve.size], "big"),
        int.from_bytes(point[1 + curve.size :], "big"),
    )
    if x is None and (len(secret) != curve.size or not looks_random(secret)):
        return Refuted("no scalar of the curve's size")
    if x is not None and any(s not in {None, p} for s, p in zip(stored, derived, strict=True)):
        return _unproven(members, b"d")
    proof = Proof.EC_IN_RANGE if x is None else Proof.EC_PUBLIC_POINT
    fingerprint = ec.fingerprint(curve, point)
    return Proven((private_key(NAME, f"EC {curve.name}", curve.bits, fingerprint, 0, (proof,)),))


def _okp(members: Mapping[bytes, bytes]) -> Judgement:
    name = members.get(b"crv", b"").decode("ascii", "replace")
    algorithm = edwards.ALGORITHMS.get(name)
    seed = _bytes(members, b"d")
    if algorithm is None or len(seed) != algorithm.size:
        return _unproven(members, b"d")
    public, stored = edwards.public_key(name, seed), _bytes(members, b"x")
    if stored and stored != public:
        return _unproven(members, b"d")
    if not stored and not looks_random(seed):
        return Refuted("no random seed")
    proof = Proof.ED_PUBLIC_KEY if stored else Proof.SEED_IN_STRUCTURE
    fingerprint = edwards.fingerprint(name, public)
    return Proven((private_key(NAME, name, algorithm.bits, fingerprint, 0, (proof,)),))


def _oct(members: Mapping[bytes, bytes]) -> Judgement:
    secret = _bytes(members, b"k")
    if len(secret) * 8 < LEAST_BITS or not looks_random(secret):
        return Refuted("no random key of 128 bits or more")
    return Proven((symmetric_key(NAME, "oct", secret, 0),))

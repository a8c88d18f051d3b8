"""Settle the private keys of gpg-agent (GnuPG, agent/keyformat.txt).

Rules enforced here:

1. A clear key is proven by arithmetic between its private and its public parameters.
2. A protected key is known by its public parameters, which stand in clear. A shadowed key is
   a pointer to a smart card and holds no secret: it is no finding.
"""

from __future__ import annotations

import re

from lockgate.formats import numbers
from lockgate.formats.gnupg import sexp
from lockgate.formats.plain_text import text_around
from lockgate.formats.rule_format import looks_random, placed, private_key, sealed_key
from lockgate.scan.evidence import Candidate, Judgement, Proven, Refuted, Undecided
from lockgate.scan.prove import ec, rsa
from lockgate.scan.prove.ssh_keys import ShownKey

NAME = "gnupg"

_LONGEST = 24 << 10
#: Where the secret of a list that is not whole must have begun.
_CUT_LIST = 4096
#: What no list in text has: a byte of a program, or a place for a number (Libgcrypt's templates).
_NO_LIST = re.compile(rb"[^\t\n\r -~]|%[mSu]")
_CURVES = {
    b"NIST P-192": "P-192", b"NIST P-224": "P-224", b"NIST P-256": "P-256",
    b"NIST P-384": "P-384", b"NIST P-521": "P-521", b"nistp256": "P-256", b"nistp384": "P-384",
    b"nistp521": "P-521", b"secp256r1": "P-256", b"secp384r1": "P-384", b"secp521r1": "P-521",
    b"prime256v1": "P-256", b"prime192v1": "P-192", b"secp192r1": "P-192", b"secp224r1": "P-224",
    b"1.2.840.10045.3.1.7": "P-256", b"1.3.132.0.34": "P-384", b"1.3.132.0.35": "P-521",
    b"1.3.132.0.10": "secp256k1", b"P-256": "P-256", b"P-384": "P-384", b"P-521": "P-521",
}  # fmt: skip
_EDWARDS = {
    b"Ed25519": "Ed25519", b"Curve25519": "X25519", b"Ed448": "Ed448", b"X448": "X448",
    b"1.3.6.1.4.1.11591.15.1": "Ed25519", b"1.3.6.1.4.1.3029.1.5.1": "X25519",
    b"X25519": "X25519", b"cv25519": "X25519",
}  # fmt: skip
_NATIVE_POINT = 0x40
_LEAST_SECRET = 16
#: An announced key whose private part has begun: canonical or advanced ``(d`` or ``(x``.
_PRIVATE_BEGUN = re.compile(rb"\((?:1:)?[dx](?:\d{1,4}:|\s*#[0-9A-F]{20})|openpgp-s2k")


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of the rule, which begins at the opening parenthesis."""
    text = text_around(candidate, 0, _LONGEST)
    expression = sexp.read(text.data)
    if expression is None:
        return placed(_unread(text.data), NAME, *text.span(0, min(len(text.data), _CUT_LIST)))
    return placed(_judge(expression), NAME, *text.span(0, expression.end))


def _unread(data: bytes) -> Judgement:
    canonical = data[1:2].isdigit()
    ended = None if canonical else _NO_LIST.search(data)
    if _PRIVATE_BEGUN.search(data, 0, min(_CUT_LIST, ended.start() if ended else _CUT_LIST)):
        return Undecided("a private key of gpg-agent that is cut or damaged", 0, 0)
    return Refuted("no list of a key")


def _judge(expression: sexp.Expression) -> Judgement:
    key = expression.lists()[0] if expression.lists() else None
    if key is None:
        return Refuted("no list of a key")
    if expression.head == b"protected-private-key":
        return _sealed(key)
    shown = _private(key)
    if shown is not None:
        evidence = private_key(NAME, shown.algorithm, shown.bits, shown.fingerprint, 0, shown.proof)
        return Proven((evidence,))
    secret = key.value(b"d") or key.value(b"x") or b""
    if looks_random(secret) and len(secret) >= _LEAST_SECRET:
        return Undecided("a private key of gpg-agent that is damaged or of an unknown type", 0, 0)
    return Refuted("no private key in the list")


def _sealed(key: sexp.Expression) -> Judgement:
    protected = key.sub(b"protected")
    if protected is None or len(protected.items) < 3:
        return Refuted("nothing protected in the list")
    shown = _public(key)
    if shown is None:
        return Undecided("a protected key of gpg-agent of an unknown type", 0, 0)
    return Proven((sealed_key(NAME, shown.algorithm, shown.bits, shown.fingerprint, 0),))


def _numbers(key: sexp.Expression, names: bytes) -> list[int]:
    """The parameters as numbers, 0 where one is missing."""
    return [int.from_bytes(key.value(bytes((name,))) or b"", "big") for name in names]


def _private(key: sexp.Expression) -> ShownKey | None:
    match key.head:
        case b"rsa" | b"openpgp-rsa":
            n, e, d, p, q, u = _numbers(key, b"nedpqu")
            # Libgcrypt keeps p < q and u = 1/p mod q: the roles of p and q are exchanged.
            found = rsa.RsaNumbers(n, e, d or None, q or None, p or None, None, None, u or None)
            return numbers.rsa_private(found)
        case b"dsa" | b"openpgp-dsa":
            p, q, g, y, x = _numbers(key, b"pqgyx")
            return numbers.dsa_private(p, q, g, y, x)
        case b"elg" | b"openpgp-elg":
            p, g, y, x = _numbers(key, b"pgyx")
            return numbers.elgamal_private(p, g, y, x)
        case b"ecc" | b"ecdsa" | b"ecdh" | b"eddsa":
            return _private_on_curve(key)
    return None


def _curve(key: sexp.Expression) -> tuple[str, str]:
    """The curve's name among the prime curves, and among the Edwards ones; empty when not."""
    name = key.value(b"curve") or b""
    return _CURVES.get(name, name.decode("ascii", "replace")), _EDWARDS.get(name, "")


def _native(point: bytes) -> bytes:
    """A public key without the byte that tells its native encoding."""
    return point[1:] if len(point) % 2 and point[:1] == bytes((_NATIVE_POINT,)) else point


def _private_on_curve(key: sexp.Expression) -> ShownKey | None:
    curve, edwards_name = _curve(key)
    q, d = key.value(b"q") or b"", key.value(b"d") or b""
    if edwards_name:
        return _private_edwards(edwards_name, d, _native(q))
    if curve not in ec.CURVES:
        return None
    return numbers.ec_private(ec.CURVES[curve], int.from_bytes(d, "big"), q)


def _private_edwards(name: str, d: bytes, public: bytes) -> ShownKey | None:
    size = len(public)
    seed = d[-size:].rjust(size, b"\0")
    if name == "X25519":
        seed = seed[::-1]  # kept as a big-endian number (GnuPG)
    return numbers.ed_private(name, seed, public)


def _public(key: sexp.Expression) -> ShownKey | None:
    match key.head:
        case b"rsa" | b"openpgp-rsa":
            n, e = _numbers(key, b"ne")
            return numbers.rsa_public(n, e) if n and e else None
        case b"dsa" | b"openpgp-dsa":
            p, q, g, y = _numbers(key, b"pqgy")
            return numbers.dsa_public(p, q, g, y) if p and y else None
        case b"elg" | b"openpgp-elg":
            p, g, y = _numbers(key, b"pgy")
            return numbers.elgamal_public(p, g, y) if p and y else None
    return _public_on_curve(key)


def _public_on_curve(key: sexp.Expression) -> ShownKey | None:
    curve, edwards_name = _curve(key)
    q = key.value(b"q") or b""
    if edwards_name:
        return numbers.ed_public(edwards_name, _native(q))
    return numbers.ec_public(ec.CURVES[curve], q) if curve in ec.CURVES else None

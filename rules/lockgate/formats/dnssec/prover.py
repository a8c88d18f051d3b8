"""Settle BIND's private key files by the numbers in them.

Sources: dnssec-keygen(8); the IANA registry of DNSSEC algorithm numbers; RFC 6605 (ECDSA),
RFC 8080 (Edwards curves). Numbers are in base64, unsigned, big endian.

Rules enforced here:

1. RSA and DSA keys are proven by arithmetic; scalars and seeds, whose public half stands in
   another file, by exact length and range in a complete file.
2. HMAC keys of TSIG (algorithms 157 to 165) are symmetric keys.
"""

from __future__ import annotations

import re

from lockgate.formats.numbers import dsa_private, rsa_private
from lockgate.formats.opaque import LEAST_BITS, symmetric_key
from lockgate.formats.plain_text import decode_base64, text_around, unescaped
from lockgate.formats.rule_format import looks_random, placed, private_key
from lockgate.scan.evidence import Candidate, Judgement, Proven, Refuted, Undecided
from lockgate.scan.prove import ec, edwards, rsa
from lockgate.scan.prove.ssh_keys import ShownKey
from lockgate.scan.report import Proof
from lockgate.scan.text.characters import Characters

NAME = "dnssec"

_LINE = re.compile(rb"\s*([A-Za-z-]{3,20})(?:\(\w\))?: *([^\n\"']{1,6000})")
_TSIG = re.compile(
    rb"algorithm\s+\"?hmac-[a-z0-9.-]{3,40}\"?\s*;\s*secret\s+\"?([A-Za-z0-9+/]{16,}={0,2})\"?\s*;"
)
_LONGEST = 12 << 10
_MOST_LINES = 40
_CURVES = {13: "P-256", 14: "P-384"}
_EDWARDS = {15: "Ed25519", 16: "Ed448"}
_DSA = {3, 6}
_RSA = {1, 5, 7, 8, 10}
_HMAC = range(157, 166)
_KNOWN = {
    b"Private-key-format", b"Algorithm", b"Modulus", b"PublicExponent", b"PrivateExponent",
    b"Prime1", b"Prime2", b"Exponent1", b"Exponent2", b"Coefficient", b"PrivateKey", b"Prime",
    b"Subprime", b"Base", b"Private_value", b"Public_value", b"Key", b"Created", b"Publish",
    b"Activate", b"Bits", b"Private-value", b"Public-value",
}  # fmt: skip


def settle(candidate: Candidate) -> Judgement:
    """Settle a match, which begins at the first line or at a key's algorithm."""
    text = text_around(candidate, 0, _LONGEST)
    if candidate.rule == "dnssec_tsig":
        return _transaction_key(text)
    plain = unescaped(text.data).replace(b"_value", b"-value")
    fields: dict[bytes, bytes] = {}
    at = stop = 0
    for raw in plain.split(b"\n", _MOST_LINES)[:_MOST_LINES]:
        line = _LINE.match(raw)
        if line is None or line[1] not in _KNOWN:
            break
        fields.setdefault(line[1], line[2].strip())
        stop = at + len(raw.rstrip())
        at += len(raw) + 1
    return placed(_judge(fields), NAME, *text.span(0, stop))


def _transaction_key(text: Characters) -> Judgement:
    found = _TSIG.match(unescaped(text.data))
    if found is None:
        return Refuted("no secret behind the algorithm")
    return placed(_hmac(decode_base64(found[1]) or b""), NAME, *text.span(0, found.end()))


def _judge(fields: dict[bytes, bytes]) -> Judgement:
    number = re.match(rb"\d{1,3}", fields.get(b"Algorithm", b""))
    algorithm = int(number[0]) if number else 0
    if algorithm in _HMAC:
        return _hmac(decode_base64(fields.get(b"Key", b"")) or b"")
    shown = _shown(algorithm, fields)
    if shown is not None:
        evidence = private_key(NAME, shown.algorithm, shown.bits, shown.fingerprint, 0, shown.proof)
        return Proven((evidence,))
    for name in (b"PrivateKey", b"PrivateExponent", b"Private-value"):
        secret = decode_base64(fields.get(name, b"")) or b""
        if len(secret) * 8 >= LEAST_BITS and looks_random(secret):
            return Undecided("a DNSSEC key that is cut, damaged or of an unknown type", 0, 0)
    return Refuted("no private key in the fields")


def _hmac(secret: bytes) -> Judgement:
    if len(secret) * 8 < LEAST_BITS or not looks_random(secret):
        return Refuted("no random key of 128 bits or more")
    return Proven((symmetric_key(NAME, "TSIG HMAC", secret, 0),))


def _number(fields: dict[bytes, bytes], name: bytes) -> int:
    return int.from_bytes(decode_base64(fields.get(name, b"")) or b"", "big")


def _shown(algorithm: int, fields: dict[bytes, bytes]) -> ShownKey | None:
    secret = decode_base64(fields.get(b"PrivateKey", b"")) or b""
    if algorithm in _RSA:
        return _rsa(fields)
    if algorithm in _DSA:
        names = (b"Prime", b"Subprime", b"Base", b"Public-value", b"Private-value")
        p, q, g, y, x = (_number(fields, name) for name in names)
        return dsa_private(p, q, g, y, x)
    if not looks_random(secret):
        return None
    if curve := ec.CURVES.get(_CURVES.get(algorithm, "")):
        return _on_curve(curve, secret)
    return _edwards(_EDWARDS.get(algorithm, ""), secret)


def _rsa(fields: dict[bytes, bytes]) -> ShownKey | None:
    n, e = _number(fields, b"Modulus"), _number(fields, b"PublicExponent")
    names = (b"PrivateExponent", b"Prime1", b"Prime2", b"Exponent1", b"Exponent2", b"Coefficient")
    return rsa_private(rsa.RsaNumbers(n, e, *(_number(fields, name) or None for name in names)))


def _on_curve(curve: ec.Curve, secret: bytes) -> ShownKey | None:
    d = int.from_bytes(secret, "big")
    if len(secret) != curve.size or not 1 <= d < curve.order:
        return None
    fingerprint = ec.fingerprint(curve, ec.public_point(curve, d))
    return ShownKey(f"EC {curve.name}", curve.bits, fingerprint, (Proof.EC_IN_RANGE,))


def _edwards(name: str, secret: bytes) -> ShownKey | None:
    algorithm = edwards.ALGORITHMS.get(name)
    if algorithm is None or len(secret) != algorithm.size:
        return None
    fingerprint = edwards.fingerprint(name, edwards.public_key(name, secret))
    return ShownKey(name, algorithm.bits, fingerprint, (Proof.SEED_IN_STRUCTURE,))

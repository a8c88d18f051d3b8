"""Settle RSAKeyValue, RSAKeyPair, RSAParameters and DSAKeyValue by their numbers.

Sources: XML Signature 1.1, sections 4.5.2.1 and 4.5.2.2 (numbers in base64, unsigned, big
endian); .NET's ``RSA.ToXmlString(true)`` (P, Q, DP, DQ, InverseQ, D beside the public numbers)
and ``DSA.ToXmlString(true)`` (X); XKMS 2.0, ``RSAKeyPair``.

Rules enforced here:

1. Elements count in any order and with any prefix, inside one enclosing element only.
2. Private elements that do not agree with the public ones are undecided.
"""

from __future__ import annotations

import re
from itertools import islice

from lockgate.formats.plain_text import decode_base64, text_around, unescaped
from lockgate.formats.rule_format import looks_random, placed, private_key
from lockgate.scan.evidence import Candidate, Judgement, Proven, Refuted, Undecided
from lockgate.scan.prove import dsa, rsa

NAME = "xml_key"
BEFORE = 16 << 10

_PREFIX = rb"(?:[A-Za-z_][\w.-]{0,40}:)?"
_OPEN = re.compile(rb"<" + _PREFIX + rb"(?:RSAKeyValue|RSAKeyPair|RSAParameters|DSAKeyValue)\b")
_CLOSE = re.compile(rb"</" + _PREFIX + rb"(?:RSAKeyValue|RSAKeyPair|RSAParameters|DSAKeyValue)\s*>")
_ELEMENT = re.compile(
    rb"<" + _PREFIX + rb"(Modulus|Exponent|InverseQ|DP|DQ|[PQDGYX])\s*>([A-Za-z0-9+/=\s]{1,8000})"
)
_AFTER = 16 << 10
_LEAST_BYTES = 16
_MOST_ELEMENTS = 16


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of the rule, which begins inside the tag of the modulus or of the key."""
    if candidate.window[max(0, candidate.match - 1) : candidate.match] == b"/":
        return Refuted("the end of an element")
    text = text_around(candidate, BEFORE // 2, _AFTER)
    plain = unescaped(text.data)
    opened = [m.start() for m in _OPEN.finditer(plain, 0, text.index + len("RSAKeyValue"))]
    start = opened[-1] if opened else plain.rfind(b"<", 0, text.index)
    if start < 0:
        return Refuted("no element")
    closed = _CLOSE.search(plain, text.index)
    stop = closed.end() if closed else len(plain)
    if opened and _CLOSE.search(plain, start, text.index):
        return Refuted("behind the end of the key")
    judgement = judge(plain[start:stop])
    return placed(judgement, NAME, *text.span(start, stop))


def judge(element: bytes) -> Judgement:
    """Settle the text of one enclosing element."""
    found = list(islice(_ELEMENT.finditer(element), _MOST_ELEMENTS))
    numbers = {m[1]: _number(m[2]) for m in reversed(found)}
    if b"Modulus" in numbers:
        return _rsa(numbers)
    if b"X" in numbers:
        return _dsa(numbers)
    return Refuted("no private element")


def _number(text: bytes) -> int:
    return int.from_bytes(decode_base64(text) or b"", "big")


def _rsa(numbers: dict[bytes, int]) -> Judgement:
    names = (b"D", b"P", b"Q", b"DP", b"DQ", b"InverseQ")
    private = tuple(numbers.get(name) or None for name in names)
    if not any(private[:3]):
        return Refuted("no private element")
    n, e = numbers[b"Modulus"], numbers.get(b"Exponent", 0)
    key = rsa.recover(rsa.RsaNumbers(n, e, *private))
    if key is None:
        return _unproven(max(p or 0 for p in private[:3]))
    fingerprint = rsa.fingerprint(key.n, key.e)
    return Proven((private_key(NAME, "RSA", key.n.bit_length(), fingerprint, 0, key.proof),))


def _dsa(numbers: dict[bytes, int]) -> Judgement:
    p, q, g, y, x = (numbers.get(name, 0) for name in (b"P", b"Q", b"G", b"Y", b"X"))
    proof = dsa.prove(dsa.DsaNumbers(p, q, g, x, y)) if p and q else ()
    if not proof:
        return _unproven(x)
    fingerprint = dsa.fingerprint(p, q, g, y)
    return Proven((private_key(NAME, "DSA", p.bit_length(), fingerprint, 0, proof),))


def _unproven(secret: int) -> Judgement:
    raw = secret.to_bytes((secret.bit_length() + 7) // 8, "big")
    if len(raw) >= _LEAST_BYTES and looks_random(raw):
        return Undecided("a private key in XML that is cut or damaged", 0, 0)
    return Refuted("no number in the private element")

"""The last numbers of an RSAPrivateKey, when those before them are lost.

Rules enforced here:

1. The numbers must follow one another up to the last byte: ``p``, ``q``, ``dP``, ``dQ``,
   ``qInv`` (RFC 8017, appendix A.1.2), of which the first ones may be missing as well.
2. A lost prime is recovered from its CRT exponent: ``e * dP - 1`` is a multiple of ``p - 1``
   smaller than ``e`` times it. What comes out must agree with ``qInv``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import gmpy2

from lockgate.formats.rule_format import private_key
from lockgate.scan.evidence import Judgement, Proven, Refuted
from lockgate.scan.prove import der, rsa

_NAME = "pkcs1"
_LEAST_NUMBERS = 3
_MOST_NUMBERS = 9
_USUAL_EXPONENT = 65537
_LARGEST_EXPONENT = 1 << 20


def judge(data: bytes) -> Judgement:
    """Settle bytes that end with the last numbers of a key."""
    start, numbers = _last_numbers(data)
    key = _recover(numbers)
    if key is None:
        return Refuted("no numbers of an RSA private key at the end")
    public = rsa.fingerprint(key.n, key.e)
    length = len(data) - start
    return Proven((private_key(_NAME, "RSA", key.n.bit_length(), public, length, key.proof),))


def _last_numbers(data: bytes) -> tuple[int, list[int]]:
    """The longest chain of INTEGERs that ends with the data, and where it begins."""
    at = data.find(der.INTEGER)
    while at >= 0:
        numbers = _chain(data, at)
        if len(numbers) >= _LEAST_NUMBERS:
            return at, numbers
        at = data.find(der.INTEGER, at + 1)
    return len(data), []


def _chain(data: bytes, at: int) -> list[int]:
    numbers: list[int] = []
    while at < len(data) and len(numbers) < _MOST_NUMBERS:
        element = der.read(data, at)
        if element is None or element.tag != der.INTEGER or element.cut:
            return []
        numbers.append(der.unsigned(data, element))
        at = element.end
    return numbers if at == len(data) else []


def _recover(numbers: Sequence[int]) -> rsa.ProvenKey | None:
    """The key of which at least ``dP``, ``dQ`` and ``qInv`` are left."""
    if len(numbers) < _LEAST_NUMBERS or min(numbers[-_LEAST_NUMBERS:]) <= 1:
        return None
    *rest, dp, dq, qinv = numbers
    q = rest[-1] if rest else None
    p = rest[-2] if len(rest) > 1 else None
    e = _exponent(dq, q) if q else _USUAL_EXPONENT
    if e is None:
        return None
    for one_q in [q] if q else _primes(dq, e):
        for one_p in [p] if p else _primes(dp, e):
            if qinv * one_q % one_p == 1:
                return _prove(one_p, one_q, e, dp, dq, qinv)
    return None


def _exponent(dq: int, q: int) -> int | None:
    """The public exponent of which ``dq`` is the inverse."""
    try:
        e = int(gmpy2.invert(dq, q - 1))
    except ZeroDivisionError:
        return None
    return e if 1 < e < _LARGEST_EXPONENT else None


def _primes(exponent: int, e: int) -> Iterator[int]:
    """The primes whose CRT exponent this may be."""
    product = gmpy2.mpz(e * exponent - 1)
    for k in range(1, e):
        if product % k == 0 and gmpy2.is_prime(product // k + 1):
            yield int(product // k + 1)


def _prove(p: int, q: int, e: int, dp: int, dq: int, qinv: int) -> rsa.ProvenKey | None:
    try:
        d = int(gmpy2.invert(e, (p - 1) * (q - 1)))
    except ZeroDivisionError:
        return None
    proof = rsa.prove(rsa.RsaNumbers(p * q, e, d, p, q, dp, dq, qinv))
    return rsa.ProvenKey(p * q, e, proof) if proof else None

"""RSA (RFC 8017): when numbers are a private key, and the fingerprint of its public half.

Rules enforced here:

1. Never equality of d: it may be reduced modulo phi or lambda, or be larger (RFC 8017,
   section 3.2). What counts is ``e * d = 1`` modulo ``p - 1`` and ``q - 1``.
2. A factorisation counts only with odd, distinct primes that are no public constant, so
   that the prime of a curve standing in memory proves nothing.
3. The order of checks is: sizes and low words, one multiplication, exponents, primality.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import gcd

import gmpy2

from lockgate.scan.prove import der
from lockgate.scan.prove.primes import PUBLIC_PRIMES, SMALL_PRIMES_PRODUCT
from lockgate.scan.report import Proof

#: Moduli below this are toys, and chance could make them.
MIN_BITS = 256

#: Factors below this are no factor of a usable key.
MIN_PRIME_BITS = 64

_ALGORITHM = bytes.fromhex("300d06092a864886f70d0101010500")  # rsaEncryption, NULL
_LOW = (1 << 64) - 1
_USUAL_EXPONENT = 65537


@dataclass(frozen=True, slots=True)
class RsaNumbers:
    """The numbers of an RSA private key, as many as are known; names as in RFC 8017."""

    n: int = field(repr=False)
    e: int = field(repr=False)
    d: int | None = field(default=None, repr=False)
    p: int | None = field(default=None, repr=False)
    q: int | None = field(default=None, repr=False)
    dp: int | None = field(default=None, repr=False)
    dq: int | None = field(default=None, repr=False)
    qinv: int | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ProvenKey:
    """The public half that the private numbers belong to, and how that was shown."""

    n: int
    e: int
    proof: tuple[Proof, ...]


def prove(numbers: RsaNumbers) -> tuple[Proof, ...]:
    """What proves the numbers to be the private key of (n, e); empty when nothing does."""
    if not _plausible_public(numbers.n, numbers.e):
        return ()
    n, p, q = numbers.n, numbers.p, numbers.q
    if p is None and q is None:
        return () if numbers.d is None else prove_inverts(n, numbers.e, numbers.d)
    if p is None or q is None:
        return prove_factor(n, p or q or 0)
    if (p & _LOW) * (q & _LOW) & _LOW != n & _LOW or p * q != n or not _are_factors(p, q):
        return ()
    return (Proof.RSA_FACTORS, *_prove_exponents(numbers, p, q))


def prove_factor(n: int, p: int) -> tuple[Proof, ...]:
    """``rsa-divides-modulus`` when ``p`` is a prime factor of ``n`` of a usable size."""
    if p.bit_length() < MIN_PRIME_BITS or p >= n or not p & 1 or not n & 1 or n % p:
        return ()
    if n // p == p or p in PUBLIC_PRIMES or not gmpy2.is_prime(p):
        return ()
    return (Proof.RSA_DIVIDES,)


def prove_inverts(n: int, e: int, d: int) -> tuple[Proof, ...]:
    """``rsa-inverts`` when ``d`` undoes ``e`` modulo ``n``: no factor is needed.

    A modular power costs milliseconds, so moduli with a small factor, which no key has, go
    first: nine decoys of ten die there.
    """
    if not _plausible_public(n, e) or d.bit_length() * 8 < n.bit_length() or d >= n * e:
        return ()
    if gcd(n, SMALL_PRIMES_PRODUCT) != 1 or e * d == 1:
        return ()
    return (Proof.RSA_INVERTS,) if _inverts(n, e, d) else ()


def prove_primes(n: int, e: int, d: int, primes: Sequence[int]) -> tuple[Proof, ...]:
    """The same for any number of primes (multi-prime RSA, RFC 8017, section 3.2)."""
    if not _plausible_public(n, e) or len(set(primes)) != len(primes) or len(primes) < 2:
        return ()
    product = gmpy2.mpz(1)
    for prime in primes:
        product *= prime
    if product != n or not all(is_usable_prime(p) for p in primes):
        return ()
    agrees = all((e * d - 1) % (p - 1) == 0 for p in primes)
    return (Proof.RSA_FACTORS, Proof.RSA_EXPONENTS) if agrees else (Proof.RSA_FACTORS,)


def recover(numbers: RsaNumbers) -> ProvenKey | None:
    """The key that the numbers still prove when some of them are damaged or missing.

    Any undamaged p, q or d beside an undamaged modulus suffices, and so do p, q and d that
    agree with one another: the modulus is then their product.
    """
    proof = prove(numbers)
    if proof:
        return _with_settled_exponent(numbers, proof)
    n, e, d = numbers.n, numbers.e, numbers.d
    for factor in (numbers.p, numbers.q):
        if factor and _plausible_public(n, e) and (proof := prove_factor(n, factor)):
            return ProvenKey(n, e, proof)
    if numbers.p and numbers.q and d and (key := _from_factors(e, d, numbers.p, numbers.q)):
        return key
    if d and (proof := prove_inverts(n, e, d)):
        return ProvenKey(n, e, proof)
    return None


def has_leftover(numbers: RsaNumbers) -> bool:
    """Whether one prime still agrees with its CRT exponent, though no key can be named."""
    pairs = ((numbers.p, numbers.dp), (numbers.q, numbers.dq))
    return any(
        prime
        and exponent
        and prime.bit_length() >= MIN_PRIME_BITS
        and (numbers.e * exponent - 1) % (prime - 1) == 0
        for prime, exponent in pairs
    )


def plausible_modulus(n: int) -> bool:
    """Whether ``n`` could be the modulus of a real key: odd, large, without small factors."""
    if not n & 1 or n.bit_length() < MIN_BITS:
        return False
    return bool(gmpy2.gcd(n, SMALL_PRIMES_PRODUCT) == 1)


def is_usable_prime(p: int) -> bool:
    """Whether ``p`` is a prime of a usable size that is no public constant."""
    return (
        p.bit_length() >= MIN_PRIME_BITS
        and bool(p & 1)
        and p not in PUBLIC_PRIMES
        and bool(gmpy2.is_prime(p))
    )


def fingerprint(n: int, e: int) -> str:
    """``sha256:`` of the SubjectPublicKeyInfo, always as rsaEncryption with NULL parameters."""
    public_key = der.encode(der.SEQUENCE, der.encode_integer(n), der.encode_integer(e))
    return der.public_key_fingerprint(_ALGORITHM, public_key)


def _plausible_public(n: int, e: int) -> bool:
    return bool(n & 1 and e & 1) and n.bit_length() >= MIN_BITS and 3 <= e < n


def _are_factors(p: int, q: int) -> bool:
    return p != q and is_usable_prime(p) and is_usable_prime(q)


def _prove_exponents(numbers: RsaNumbers, p: int, q: int) -> tuple[Proof, ...]:
    e, d, dp, dq, qinv = numbers.e, numbers.d, numbers.dp, numbers.dq, numbers.qinv
    if d is None or (e * d - 1) % (p - 1) or (e * d - 1) % (q - 1):
        return ()
    if dp is None or dq is None or qinv is None:
        return (Proof.RSA_EXPONENTS,)
    agrees = d % (p - 1) == dp and d % (q - 1) == dq and qinv * q % p == 1
    return (Proof.RSA_EXPONENTS, Proof.RSA_CRT) if agrees else (Proof.RSA_EXPONENTS,)


def _inverts(n: int, e: int, d: int) -> bool:
    return bool(gmpy2.powmod(gmpy2.powmod(2, d, n), e, n) == 2)


def _with_settled_exponent(numbers: RsaNumbers, proof: tuple[Proof, ...]) -> ProvenKey:
    """Prefer the stated e; where d contradicts it and fits 65537, e is what is damaged."""
    n, e, d, p, q = numbers.n, numbers.e, numbers.d, numbers.p, numbers.q
    if Proof.RSA_EXPONENTS not in proof and p and q and d:
        usual = _from_factors(_USUAL_EXPONENT, d, p, q)
        if usual is not None:
            return usual
    return ProvenKey(n, e, proof)


def _from_factors(e: int, d: int, p: int, q: int) -> ProvenKey | None:
    if p <= 1 or q <= 1 or (e * d - 1) % (p - 1) or (e * d - 1) % (q - 1):
        return None
    proof = prove(RsaNumbers(p * q, e, d, p, q))
    return ProvenKey(p * q, e, proof) if proof else None

"""Numbers that stand alone: an island taken from end to end as one number.

Rules enforced here:

1. The ends of an island are known to a word, those of big-endian bytes to a byte; each number
   that may be meant is given, the odd ones only.
2. A CRT exponent gives primes: ``e * dP - 1 = k * (p - 1)`` with k below e, so p is one of the
   few ``(e * dP - 1) / k + 1``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from math import gcd

import gmpy2
import numpy as np

from lockgate.scan.search import windows
from lockgate.scan.search.divide import product
from lockgate.scan.search.forms import BIG_ENDIAN, INT_ARRAY, LIMBS, OTHER_WORDS, Form
from lockgate.scan.search.islands import LEAST_WORDS, Islands
from lockgate.scan.search.numbers import Number
from lockgate.scan.search.windows import Positions

_WORD = 8
#: Bytes of the longest number: the modulus of an RSA-16384 key.
_LONGEST = 2048
_POINTERS = 1 << 47
#: Public exponents up to this are tried; larger ones have too many k.
_LARGEST_EXPONENT = 1 << 20


def isolated_numbers(islands: Islands, least: int = _WORD * LEAST_WORDS) -> Iterator[Number]:
    """Every odd number that fills an island of at least ``least`` bytes."""
    lengths = islands.stops - islands.starts
    alone = (lengths >= least) & (lengths <= _LONGEST)
    starts, stops = islands.starts[alone], islands.stops[alone]
    random: Positions = windows.random_looking(islands.buffer, starts, _WORD * LEAST_WORDS)
    data = islands.buffer.tobytes()
    ends = dict(zip(starts.tolist(), stops.tolist(), strict=True))
    for start in random.tolist():
        stop = ends[start]
        if len(set(data[start:stop])) < windows.distinct_bytes(stop - start):
            continue
        for form, first, last, value in _readings(data, start, stop):
            place, offset = islands.place(first)
            yield Number(value, place, offset, last - first, form)


def _readings(data: bytes, start: int, stop: int) -> Iterator[tuple[str, int, int, int]]:
    """``(form, first byte, end, odd number)`` of an island from ``start`` to ``stop``."""
    for first in _firsts(data, start):
        for end in _ends(data, stop):
            if first >= start - 4 and data[first] & 1:
                yield LIMBS.name, first, end, int.from_bytes(data[first:end], "little")
            if end <= stop + 4 and data[end - 4] & 1:
                yield INT_ARRAY.name, first, end, _turned(INT_ARRAY, data[first:end])
    for form in OTHER_WORDS:
        value = _turned(form, data[start:stop])
        if value & 1:
            yield form.name, start, stop, value
    first = data.rfind(0, max(0, start - _WORD + 1), start) + 1 or max(0, start - _WORD + 1)
    for end in range(stop, stop + _WORD):
        if data[end - 1] & 1:
            yield BIG_ENDIAN.name, first, end, int.from_bytes(data[first:end], "big")


def _turned(form: Form, content: bytes) -> int:
    return int.from_bytes(form.turned(np.frombuffer(content, np.uint8)).tobytes(), "little")


def _firsts(data: bytes, start: int) -> Iterator[int]:
    """Where a number in words of 32 bits may begin: with half a limb, or a small word."""
    yield start
    if any(data[start - 4 : start]):
        yield start - 4
        if any(data[start - 8 : start - 4]):
            yield start - 8


def _ends(data: bytes, stop: int) -> Iterator[int]:
    """Where one may end: its highest word may be small, or half a limb."""
    yield stop
    behind = int.from_bytes(data[stop : stop + _WORD], "little")
    if behind & 0xFFFFFFFF:
        yield stop + 4
    if 0 < behind < _POINTERS:
        yield stop + _WORD


def primes_behind(exponent: int, e: int) -> list[int]:
    """The odd numbers p, without small factors, of which ``exponent`` may be dP for this ``e``.

    ``e * dP = 1 + k * (p - 1)`` with 1 < k < e: for k = 1, p would be ``e * dP``.
    """
    if not 3 <= e < _LARGEST_EXPONENT:
        return []
    multiple = gmpy2.mpz(exponent) * e - 1
    found = []
    for k in _divisors_below(multiple, e):
        p = multiple // k + 1
        if k > 1 and p & 1 and gcd(int(p), windows.SIEVED) == 1:
            found.append(int(p))
    return found


def _divisors_below(value: gmpy2.mpz, limit: int) -> list[int]:
    """The divisors of ``value`` below ``limit``."""
    divisors = [1]
    for prime in _small_factors(value, limit):
        power, more = prime, []
        while power < limit and not value % power:
            more += [d * power for d in divisors if d * power < limit]
            power *= prime
        divisors += more
    return divisors


def _small_factors(value: gmpy2.mpz, limit: int) -> Iterator[int]:
    """The primes below ``limit`` that divide ``value``."""
    groups, everything = _primes_below(limit)
    shared = gmpy2.gcd(everything % value, value)
    for primes, together in groups if shared > 1 else ():
        if gmpy2.gcd(together, shared) > 1:
            yield from (prime for prime in primes if not shared % prime)


@cache
def _primes_below(limit: int) -> tuple[list[tuple[tuple[int, ...], gmpy2.mpz]], gmpy2.mpz]:
    """The primes below ``limit`` in groups, each with its product, and the product of all."""
    sieve = bytearray([1]) * limit
    sieve[:2] = b"\0\0"
    for n in range(2, int(limit**0.5) + 1):
        if sieve[n]:
            sieve[n * n :: n] = bytes(len(range(n * n, limit, n)))
    primes = [n for n in range(limit) if sieve[n]]
    groups = [tuple(primes[at : at + 64]) for at in range(0, len(primes), 64)]
    return [(group, product(group)) for group in groups], product(primes)

"""Numbers whose digits leave the top bits of their words free.

CPython writes integers in digits of 30 bits in words of 32; libtommath (dropbear among its
users) in digits of 60 in 64, or of 28 in 32. The lowest digit comes first.

Rules enforced here:

1. Digits in a row whose free bits are all zero, and which are not small, are one number: that
   many do not stand together by chance.
2. The highest digit may be small, so a number is given with the word behind its run and
   without; every value given is odd.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lockgate.scan.blocks import Block
from lockgate.scan.search import windows
from lockgate.scan.search.numbers import Number
from lockgate.scan.walk import Place

#: Bits of the shortest and of the longest number taken.
_LEAST_BITS, _MOST_BITS = 480, 16384
#: A random digit is smaller than 2 to this many bits less than it has once in 2**16.
_SMALL = 16


@dataclass(frozen=True, slots=True)
class DigitForm:
    """``bits`` bits in each word of ``word`` bytes."""

    name: str
    word: int
    bits: int


DIGIT_FORMS = (
    DigitForm("rsa-digits-60", 8, 60),
    DigitForm("rsa-digits-30", 4, 30),
    DigitForm("rsa-digits-28", 4, 28),
)


def digit_numbers(block: Block, place: Place, phase: int) -> Iterator[Number]:
    """The odd numbers in digits that start in the block's own part, words at ``phase``."""
    for form in DIGIT_FORMS:
        count = max(0, len(block.data) - phase) // form.word
        words = np.frombuffer(block.data, f"<u{form.word}", count, phase if count else 0)
        first = max(0, -(-(block.start - phase) // form.word))
        last = -(-(block.stop - phase) // form.word)
        for start, stop in _runs(words, form):
            if first <= start < last and words[start] & 1:
                yield from _numbers(words, start, stop, form, block, place, phase)


def _runs(words: NDArray[np.unsignedinteger], form: DigitForm) -> Iterator[tuple[int, int]]:
    """Where digits in a row begin and end."""
    kind = words.dtype.type
    least = kind(1 << (form.bits - _SMALL))
    digits = words - least < kind((1 << form.bits) - (1 << (form.bits - _SMALL)))
    fewest = -(-_LEAST_BITS // form.bits)
    # Every `fewest`-th word of a run is looked at before any other.
    if not digits[::fewest].any():
        return
    bounds = np.concatenate(([-1], np.flatnonzero(~digits), [len(words)]))
    gaps = np.diff(bounds) - 1
    chosen = (gaps >= fewest) & (gaps <= _MOST_BITS // form.bits)
    for start, length in zip((bounds[:-1][chosen] + 1).tolist(), gaps[chosen].tolist(),
                             strict=True):  # fmt: skip
        if _has_high_digits(words[start : start + length], form):
            yield start, start + length


def _has_high_digits(digits: NDArray[np.unsignedinteger], form: DigitForm) -> bool:
    """Whether about half of the digits have their highest bit set; in tables hardly any has."""
    high = int(np.count_nonzero(digits >> digits.dtype.type(form.bits - 1)))
    return high >= max(1, len(digits) / 2 - 2 * math.sqrt(len(digits)))


def _numbers(
    words: NDArray[np.unsignedinteger],
    start: int,
    stop: int,
    form: DigitForm,
    block: Block,
    place: Place,
    phase: int,
) -> Iterator[Number]:
    offset = block.offset + phase + form.word * start
    seen: set[int] = set()
    for end in (stop, stop + 1, stop - 1):
        digits = words[start:end].tolist()
        if len(digits) < end - start or digits[-1] >> form.bits:
            continue
        value = sum(digit << (form.bits * index) for index, digit in enumerate(digits))
        if value not in seen and _looks_random(value):
            seen.add(value)
            yield Number(value, place, offset, form.word * (end - start), form.name)


def _looks_random(value: int) -> bool:
    content = value.to_bytes(-(-value.bit_length() // 8), "little")
    return len(set(content)) >= windows.distinct_bytes(len(content))

"""Scalars written in digits, or in words with the highest first, as little-endian limbs.

Rules enforced here:

1. Java: an ``int[]`` whose length, the word half before it, is that of the curve's numbers.
2. CPython: 30-bit digits in 32-bit words; libtommath: 28 bits in 32, or 60 in 64. The spare bits
   of each word are zero and the last digit is no longer than what is left of the number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lockgate.scan.search.secret_windows import LIMBS_256, LIMBS_384, LIMBS_521, Windows, WordRuns
from lockgate.scan.search.windows import Positions
from lockgate.scan.search.word_table import Rows

_WORD = 8


@dataclass(frozen=True, slots=True)
class Digits:
    """Digits of ``bits`` bits in words of ``width`` bits."""

    bits: int
    width: int

    @property
    def spare(self) -> np.uint64:
        """The bits of a 64-bit word that are always zero."""
        empty = ((1 << self.width) - (1 << self.bits)) & ((1 << self.width) - 1)
        return np.uint64(empty << (64 - self.width) | empty)

    def count(self, size: int) -> int:
        """Digits of a number of ``size`` bits."""
        return -(-size // self.bits)


#: Bits of scalars, by limbs.
SIZES = {LIMBS_256: 256, LIMBS_384: 384, LIMBS_521: 521}
DIGITS = (Digits(30, 32), Digits(28, 32), Digits(60, 64))


def windows_in_digits(runs: WordRuns) -> Iterator[tuple[int, Windows]]:
    """``(limbs, windows)`` of numbers in digits, at the starts of runs."""
    for digits in DIGITS:
        starts = runs.starts[runs.inside(runs.starts, LIMBS_256)]
        for column in range(LIMBS_256):
            starts = starts[(runs.words[starts + column] & digits.spare) == 0]
        for limbs, size in SIZES.items() if len(starts) else ():
            yield limbs, _in_digits(runs, starts, digits, limbs, size)


def _in_digits(runs: WordRuns, starts: Positions, digits: Digits, limbs: int, size: int) -> Windows:
    count = digits.count(size)
    words = -(-count * digits.width // 64)
    starts = starts[runs.inside(starts, words)]
    rows = runs.words[starts[:, None] + np.arange(words)]
    values = rows.view(f"<u{digits.width // 8}")[:, :count].astype(np.uint64)
    left = size - (count - 1) * digits.bits
    fits = (values[:, -1] >> np.uint64(left) == 0) & np.all(
        values[:, :-1] >> np.uint64(digits.bits) == 0, axis=1
    )
    packed = packed_digits(values[fits], digits.bits, limbs)
    return runs.placed(packed, starts[fits], count * digits.width // 8)


def packed_digits(values: Rows, bits: int, limbs: int) -> Rows:
    """Numbers whose digits are the columns, the lowest first, as limbs."""
    rows = np.zeros((len(values), limbs + 1), np.uint64)
    for column in range(values.shape[1]):
        limb, shift = divmod(column * bits, 64)
        rows[:, limb] |= values[:, column] << np.uint64(shift)
        if shift + bits > 64:
            rows[:, limb + 1] |= values[:, column] >> np.uint64(64 - shift)
    return np.ascontiguousarray(rows[:, :limbs])


def in_digits(rows: Rows, digits: Digits, words: int) -> Rows:
    """The first words of numbers, given as limbs, when they are written in digits.

    The inverse of :func:`packed_digits`: all digits that fill these words have all their bits.
    """
    last = np.zeros((len(rows), 1), np.uint64)
    limbs, mask = np.hstack((rows, last)), np.uint64((1 << digits.bits) - 1)
    values = np.empty((len(rows), words * 64 // digits.width), f"<u{digits.width // 8}")
    for column in range(values.shape[1]):
        limb, shift = divmod(column * digits.bits, 64)
        value = limbs[:, limb] >> np.uint64(shift)
        if shift + digits.bits > 64:
            value |= limbs[:, limb + 1] << np.uint64(64 - shift)
        values[:, column] = value & mask
    return values.view(np.uint64)


def windows_in_ints(runs: WordRuns) -> Iterator[tuple[int, Windows]]:
    """``(limbs, windows)`` of numbers in an ``int[]`` with the highest first."""
    starts = runs.starts[runs.inside(runs.starts, LIMBS_256) & (runs.starts > 1)]
    # The highest int of 521 bits may be so small that its word ends the run.
    for limbs, at in ((LIMBS_256, starts), (LIMBS_384, starts), (LIMBS_521, starts),
                      (LIMBS_521, starts - 1)):  # fmt: skip
        count = -(-SIZES[limbs] // 32)
        before = runs.words[at - 1]
        led = (before & np.uint64(0xFFFFFFFF) == count) | (before >> np.uint64(32) == count)
        if led.any():
            yield limbs, _in_ints(runs, at[led], count, limbs)


def _in_ints(runs: WordRuns, starts: Positions, count: int, limbs: int) -> Windows:
    words = (count + 1) // 2
    starts = starts[runs.inside(starts, words)]
    ints = runs.words[starts[:, None] + np.arange(words)].view(np.uint32)[:, :count]
    padded = np.zeros((len(starts), 2 * limbs), np.uint32)
    padded[:, :count] = ints[:, ::-1]
    return runs.placed(padded.view(np.uint64), starts, 4 * count)

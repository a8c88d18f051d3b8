"""Windows of memory as little-endian numbers, sorted out by what a number must be.

Positions are byte offsets into a buffer; a window is the ``size`` bytes that begin there.

Rules enforced here:

1. Every function gives the same positions in C and in numpy.
2. No function drops a window that fits its stated condition.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, repeat

import gmpy2
import numpy as np
from numpy.typing import NDArray

from lockgate.scan import native
from lockgate.scan.native import POINTER, SIZE, U64

Bytes = NDArray[np.uint8]
Positions = NDArray[np.int64]
Words = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Ranges:
    """Where windows may begin: from ``firsts`` to ``lasts``, both included."""

    firsts: Positions
    lasts: Positions


def whole(total: int, size: int) -> Ranges:
    """All windows of ``size`` bytes of a buffer of ``total``."""
    return Ranges(np.zeros(1, np.int64), np.array([total - size], np.int64))


_NONE: Positions = np.zeros(0, np.int64)
#: Factors that no RSA modulus and none of its primes has; below 2**18 together.
SIEVED = 3 * 5 * 7 * 11 * 13 * 17
_MOST_BYTES = 2048
#: Words in a row that must differ in their bytes as random ones do.
_VARIED = 8
#: Windows gathered at once by numpy.
_CHUNK = 4096
_ALL = (1 << 64) - 1


def sweep(total: int, size: int, first: int, stride: int, last: int) -> int:
    """How many windows begin at ``first``, ``first + stride``, ... before ``last``."""
    stop = min(last, total - size + 1)
    return max(0, -(-(stop - first) // stride))


def odd(
    buffer: Bytes, ranges: Ranges, stride: int, size: int, least: int = 0, most: int = _ALL
) -> Positions:
    """Windows that begin in ``ranges``, odd and with top 64 bits in ``least`` to ``most``."""
    arguments = POINTER, POINTER, SIZE, SIZE, SIZE, U64, U64, POINTER
    loop = native.function("lockgate_odd", SIZE, POINTER, *arguments)
    counts = np.maximum((ranges.lasts - ranges.firsts) // stride + 1, 0)
    if loop is not None:
        out = np.empty(int(counts.sum()) + 1, np.int64)
        pointers = ranges.firsts.ctypes.data, ranges.lasts.ctypes.data, len(counts)
        given = *pointers, stride, size, least, most
        return out[: loop(buffer.ctypes.data, *given, out.ctypes.data)]
    ends = np.cumsum(counts)
    steps = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)
    index = np.repeat(ranges.firsts, counts) + stride * steps
    return odd_at(buffer, index, size, least, most)


def odd_at(
    buffer: Bytes, positions: Positions, size: int, least: int = 0, most: int = _ALL
) -> Positions:
    """The same for windows at ``positions``."""
    inside = positions[(positions >= 0) & (positions <= len(buffer) - size)]
    return _between(buffer, inside[(buffer[inside] & 1).astype(bool)], size, least, most)


def tops(buffer: Bytes, positions: Positions, size: int) -> NDArray[np.uint64]:
    """The top 64 bits of every window."""
    index = positions[:, None] + np.arange(size - 8, size)
    words: NDArray[np.uint64] = buffer[index].view("<u8").reshape(-1)
    return words


def sieved(buffer: Bytes, positions: Positions, size: int) -> Positions:
    """Those that share no factor with :data:`SIEVED`."""
    arguments = POINTER, SIZE, SIZE, U64, POINTER, POINTER, POINTER
    loop = native.function("lockgate_sieve", SIZE, POINTER, *arguments)
    weights, coprime = _sieve()
    if loop is not None:
        out = np.empty(len(positions) + 1, np.int64)
        tables = SIEVED, weights.ctypes.data, coprime.ctypes.data
        given = positions.ctypes.data, len(positions), size, *tables
        return out[: loop(buffer.ctypes.data, *given, out.ctypes.data)]

    def passes(windows: Bytes) -> NDArray[np.bool_]:
        halves = windows.view("<u4").astype(np.uint64)
        sums = (halves * weights[: halves.shape[1]]).sum(axis=1, dtype=np.uint64)
        passed: NDArray[np.bool_] = coprime[(sums % np.uint64(SIEVED)).astype(np.intp)] > 0
        return passed

    return _filtered(buffer, positions, size, passes)


def random_looking(buffer: Bytes, positions: Positions, size: int) -> Positions:
    """Those with as many different bytes as a random number has, and no plain limb but the top.

    Of m random bytes 256 * (1 - exp(-m/256)) are distinct on average; six standard deviations
    fewer are text, machine code or a table.
    """
    arguments = POINTER, SIZE, SIZE, SIZE, POINTER
    loop = native.function("lockgate_random", SIZE, POINTER, *arguments)
    least = distinct_bytes(size)
    if loop is not None:
        out = np.empty(len(positions) + 1, np.int64)
        given = positions.ctypes.data, len(positions), size, least
        return out[: loop(buffer.ctypes.data, *given, out.ctypes.data)]

    def passes(windows: Bytes) -> NDArray[np.bool_]:
        whole = np.ascontiguousarray(windows[:, : (size - 1) // 8 * 8]).view("<u8")
        ordered = np.sort(windows[:, :size], axis=1)
        different = 1 + np.count_nonzero(np.diff(ordered, axis=1), axis=1)
        good: NDArray[np.bool_] = ~plain_words(whole).any(axis=1) & (different >= least)
        return good

    return _filtered(buffer, positions, size, passes)


def divisors(buffer: Bytes, positions: Positions, size: int, moduli: Sequence[int]) -> Positions:
    """Those odd windows that divide one of ``moduli``; in C one of 2**64 others passes too.

    The top limb of a window must not be zero, as no prime of that size has it.
    """
    width = max((-(-n.bit_length() // 64) for n in moduli), default=0)
    arguments = POINTER, SIZE, SIZE, POINTER, SIZE, SIZE, POINTER
    loop = native.function("lockgate_divisors", SIZE, POINTER, *arguments)
    if not len(positions) or -(-size // 8) >= width:
        return _NONE
    if loop is not None:
        limbs = np.frombuffer(b"".join(n.to_bytes(8 * width, "little") for n in moduli), "<u8")
        out = np.empty(len(positions) + 1, np.int64)
        given = positions.ctypes.data, len(positions), size, limbs.ctypes.data, len(moduli), width
        return out[: loop(buffer.ctypes.data, *given, out.ctypes.data)]
    large = [gmpy2.mpz(n) for n in moduli]
    hits = [
        position
        for position, value in zip(positions.tolist(), values(buffer, positions, size), strict=True)
        if any(not n % value for n in large)
    ]
    return np.array(hits, np.int64)


@dataclass(frozen=True, slots=True)
class NearWhole:
    """The test whether ``top * scale / 2**256``, of the top 128 bits, is hardly less than whole.

    ``slack`` is how much may be missing, in units of 2**-64.
    """

    scale: int
    slack: int

    @property
    def words(self) -> tuple[int, int, int, int]:
        """The words of the scale but the lowest, and the slack; what is dropped is below 4."""
        low, middle, high = (self.scale >> shift & _ALL for shift in (64, 128, 192))
        return low, middle, high, min(self.slack + 4, _ALL)

    def passes(self, high: Words, low: Words) -> NDArray[np.bool_]:
        """The numbers with these top words that pass."""
        lower, middle, upper, slack = map(np.uint64, self.words)
        fraction = high * middle + low * upper
        fraction += _high_product(high, lower) + _high_product(low, middle)
        passed: NDArray[np.bool_] = ~fraction <= slack
        return passed


def _high_product(factors: Words, factor: np.uint64) -> Words:
    """The upper halves of the products."""
    half, mask = np.uint64(32), np.uint64(0xFFFFFFFF)
    low = (factors & mask) * (factor & mask) >> half
    middle = (factors >> half) * (factor & mask) + low
    other = (factors & mask) * (factor >> half) + (middle & mask)
    product: Words = (factors >> half) * (factor >> half) + (middle >> half) + (other >> half)
    return product


def near_whole(
    buffer: Bytes, first: int, stride: int, count: int, size: int, test: NearWhole
) -> Positions:
    """Odd windows that pass, of ``count`` from ``first`` on."""
    arguments = SIZE, SIZE, SIZE, SIZE, POINTER, POINTER
    loop = native.function("lockgate_exponents", SIZE, POINTER, *arguments)
    if loop is not None:
        out, words = np.empty(count + 1, np.int64), np.array(test.words, np.uint64)
        given = first, stride, count, size, words.ctypes.data
        return out[: loop(buffer.ctypes.data, *given, out.ctypes.data)]
    index = odd_at(buffer, first + stride * np.arange(max(0, count)), size)
    return near_whole_by_any(buffer, index, size, [test])


def near_whole_by_any(
    buffer: Bytes, positions: Positions, size: int, tests: Sequence[NearWhole]
) -> Positions:
    """Windows that pass one of ``tests``."""
    arguments = POINTER, SIZE, SIZE, POINTER, SIZE, POINTER
    loop = native.function("lockgate_any_exponents", SIZE, POINTER, *arguments)
    if loop is not None:
        packed = np.array([test.words for test in tests], np.uint64)
        out = np.empty(len(positions) + 1, np.int64)
        given = positions.ctypes.data, len(positions), size, packed.ctypes.data, len(tests)
        return out[: loop(buffer.ctypes.data, *given, out.ctypes.data)]
    high, low = tops(buffer, positions, size), tops(buffer, positions, size - 8)
    near = np.zeros(len(positions), bool)
    for test in tests:
        near |= test.passes(high, low)
    return positions[near]


def runs(buffer: Bytes, least: int) -> tuple[Positions, Positions]:
    """First words and lengths of runs of at least ``least`` words that look random.

    Small words, pointers, words with three zero bytes, and text (three other words in a row
    without a byte above 127) end a run. What is left is cut down to the parts where eight words
    in a row have as many different bytes as random ones; machine code has not.
    """
    count = len(buffer) // 8
    arguments = SIZE, SIZE, SIZE, POINTER, POINTER, POINTER, SIZE
    loop = native.function("lockgate_runs", SIZE, POINTER, *arguments)
    distinct = np.array([distinct_bytes(8 * size) for size in range(_VARIED + 1)], np.uint64)
    if loop is not None:
        most = count // least + 1
        starts, lengths = np.empty(most, np.int64), np.empty(most, np.int64)
        out = starts.ctypes.data, lengths.ctypes.data, most
        found = loop(buffer.ctypes.data, count, least, _VARIED, distinct.ctypes.data, *out)
        return starts[:found], lengths[:found]
    words = buffer[: 8 * count].view("<u8")
    found_runs = _unplain_runs(words, least)
    parts = [part for run in zip(*found_runs, strict=True) for part in _varied_parts(buffer, *run)]
    starts, lengths = np.array(parts, np.int64).reshape(-1, 2).T.copy()
    return starts, lengths


def _unplain_runs(words: NDArray[np.uint64], least: int) -> tuple[list[int], list[int]]:
    ends = plain_words(words)
    low = ~ends & ((words & np.uint64(0x8080808080808080)) == 0)
    text = low[:-2] & low[1:-1] & low[2:]
    for shift in range(3 if len(words) > 2 else 0):
        ends[shift : len(words) - 2 + shift] |= text
    bounds = np.concatenate(([-1], np.flatnonzero(ends), [len(words)]))
    gaps = np.diff(bounds) - 1
    chosen = np.flatnonzero(gaps >= least)
    return (bounds[chosen] + 1).tolist(), gaps[chosen].tolist()


def _varied_parts(buffer: Bytes, start: int, length: int) -> list[tuple[int, int]]:
    """The parts of one run whose bytes differ enough, as first words and lengths."""
    window = min(length, _VARIED)
    content = buffer[8 * start : 8 * (start + length)]
    rows = np.lib.stride_tricks.sliding_window_view(content, 8 * window)[::8]
    ordered = np.sort(rows, axis=1)
    different = 1 + np.count_nonzero(np.diff(ordered, axis=1), axis=1)
    covered = np.zeros(length + 2, bool)
    for first in np.flatnonzero(different >= distinct_bytes(8 * window)).tolist():
        covered[first + 1 : first + 1 + window] = True
    edges = np.flatnonzero(np.diff(covered)).tolist()
    return [(start + a, b - a) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def plain_words(words: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which words no random number has but by chance of 2**-15."""
    low = np.uint64(0x7F7F7F7F7F7F7F7F)
    zeros = ~(((words & low) + low) | words | low)
    small = words + np.uint64(1 << 47) < np.uint64(1 << 48)
    plain: NDArray[np.bool_] = small | (np.bitwise_count(zeros) >= 3)
    return plain


def values(buffer: Bytes, positions: Positions, size: int) -> list[int]:
    """The numbers in the windows."""
    data = buffer.data
    return [int.from_bytes(data[at : at + size], "little") for at in positions.tolist()]


@cache
def distinct_bytes(size: int) -> int:
    """The least number of different bytes that ``size`` random bytes have."""
    load = size / 256
    expected = 256 * (1 - math.exp(-load))
    deviation = math.sqrt(256 * (math.exp(-load) - (1 + load) * math.exp(-2 * load)))
    return math.ceil(expected - 6 * deviation)


@cache
def _sieve() -> tuple[NDArray[np.uint64], Bytes]:
    """Powers of 2**32 modulo SIEVED, and which residues are coprime to it."""
    powers = accumulate(repeat(None, _MOST_BYTES // 4 - 1), lambda w, _: (w << 32) % SIEVED,
                        initial=1)  # fmt: skip
    coprime = np.ones(SIEVED, np.uint8)
    for prime in (3, 5, 7, 11, 13, 17):
        coprime[::prime] = 0
    return np.array(list(powers), np.uint64), coprime


def _between(buffer: Bytes, index: Positions, size: int, least: int, most: int) -> Positions:
    if (least, most) == (0, _ALL) or not len(index):
        return index
    top = tops(buffer, index, size)
    return index[(top >= np.uint64(least)) & (top <= np.uint64(most))]


def _filtered(
    buffer: Bytes,
    positions: Positions,
    size: int,
    passes: Callable[[Bytes], NDArray[np.bool_]],
) -> Positions:
    """Those whose windows, padded with zeros to whole words, pass."""
    kept = []
    padded = -(-size // 8) * 8
    for at in range(0, len(positions), _CHUNK):
        some = positions[at : at + _CHUNK]
        windows = np.zeros((len(some), padded), np.uint8)
        windows[:, :size] = buffer[some[:, None] + np.arange(size)]
        kept.append(some[passes(windows)])
    return np.concatenate(kept) if kept else positions[:0]

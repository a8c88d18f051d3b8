"""Numbers as a live process holds them: little-endian 64-bit limbs at aligned addresses.

Rules enforced here:

1. A limb of a random number is neither small, nor small and negative, nor a user-space
   pointer: ``w + 2**47`` wraps to at least ``2**48``. Such limbs in a row form a run.
2. A factor of a key is an isolated run. In a run longer than one page only its edges are
   looked at, unless the profile is deep; compressed data would otherwise stall the border.
3. Every function is pure and works on one block.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lockgate.scan.blocks import Block

Words = NDArray[np.uint64]
Indexes = NDArray[np.intp]

#: Runs longer than this many words are looked at only at their edges.
_LONG_RUN = 512
#: Windows taken at each edge of a long run.
_EDGE = 4
#: How alignment is sampled: so many pieces of a block, of so many bytes each.
_SAMPLES, _SAMPLE_BYTES = 16, 2048
_POINTERS = np.uint64(1 << 47)
_RANDOM = np.uint64(1 << 48)


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of random-looking words: where each starts, and how many words it has."""

    starts: Indexes
    lengths: Indexes


def words_of(data: bytes, phase: int) -> Words:
    """The aligned words of ``data``, the first at offset ``phase``."""
    count = max(0, (len(data) - phase) // 8)
    return np.frombuffer(data, "<u8", count, phase if count else 0)


def likely_phase(data: bytes) -> int:
    """The alignment at which most words are small or pointers, judged by a sample.

    The start of a dump without a header says nothing about the alignment of its memory; the
    pointers in it do. 0 unless another alignment is plainly better.
    """
    step = max(8, len(data) // _SAMPLES // 8 * 8)
    sample = b"".join(data[at : at + _SAMPLE_BYTES] for at in range(0, len(data), step))
    counts = [_small_words(words_of(sample, phase)) for phase in range(8)]
    best = max(range(8), key=counts.__getitem__)
    return best if counts[best] > counts[0] + counts[0] // 4 + _SAMPLES else 0


def _small_words(words: Words) -> int:
    """How many words are small or pointers, zeros apart: those are the same at any alignment."""
    return int(np.count_nonzero((words + _POINTERS < _RANDOM) & (words != 0)))


def own_words(block: Block, phase: int) -> tuple[int, int]:
    """Indexes of the words that start in the block's own part."""
    return -(-(block.start - phase) // 8), -(-(block.stop - phase) // 8)


def runs_of(words: Words, least: int) -> Runs:
    """All runs of at least ``least`` words."""
    low = np.flatnonzero(words + _POINTERS < _RANDOM)
    bounds = np.concatenate(([-1], low, [len(words)]))
    lengths = np.diff(bounds) - 1
    chosen = np.flatnonzero(lengths >= least)
    return Runs(bounds[chosen] + 1, lengths[chosen])


def windows_of(runs: Runs, size: int, *, inside_long_runs: bool) -> Indexes:
    """Starts of all windows of ``size`` words to look at in ``runs``."""
    fits = runs.lengths >= size
    starts, counts = runs.starts[fits], runs.lengths[fits] - size + 1
    if inside_long_runs:
        return _spread(starts, counts)
    long = counts > _LONG_RUN
    tails = starts[long] + counts[long] - _EDGE
    return np.concatenate(
        (
            _spread(starts[~long], counts[~long]),
            _spread(starts[long], np.full(len(tails), _EDGE)),
            _spread(tails, np.full(len(tails), _EDGE)),
        )
    )


def isolated_windows(runs: Runs, size: int) -> Indexes:
    """Starts of windows that fill a run but for at most one word at either end."""
    exact = runs.starts[(runs.lengths == size) | (runs.lengths == size + 1)]
    shifted = runs.starts[runs.lengths == size + 1] + 1
    return np.concatenate((exact, shifted))


def odd_and_large(words: Words, starts: Indexes, size: int, least_top: int) -> Indexes:
    """Those windows whose number is odd and whose top limb is at least ``least_top``."""
    odd = starts[(words[starts] & np.uint64(1)).astype(bool)]
    large: Indexes = odd[words[odd + (size - 1)] >= np.uint64(least_top)]
    return large


def without_tiny_factors(words: Words, starts: Indexes, size: int) -> Indexes:
    """Those windows whose number is divisible by none of 3, 5, 17, 257 and 65537.

    All five divide 2**32 - 1, so that the sum of 32-bit halves keeps every remainder.
    """
    if not len(starts):
        return starts
    index = starts[:, None] + np.arange(size)
    chosen = words[index]
    halves = (chosen & np.uint64(0xFFFFFFFF)) + (chosen >> np.uint64(32))
    sums = halves.sum(axis=1, dtype=np.uint64)
    good = np.ones(len(starts), bool)
    for prime in (3, 5, 17, 257, 65537):
        good &= (sums % np.uint64(prime)) != 0
    return starts[good]


def values_of(words: Words, starts: Indexes, size: int) -> list[int]:
    """The numbers in the windows at ``starts``."""
    width = 8 * size
    packed = words[starts[:, None] + np.arange(size)].tobytes()
    return [
        int.from_bytes(packed[at : at + width], "little") for at in range(0, len(packed), width)
    ]


def looks_random(value: int) -> bool:
    """Whether the bytes of ``value`` differ as much as those of a random number.

    Of m random bytes 256 * (1 - exp(-m/256)) are distinct on average; six standard deviations
    fewer are machine code or a table.
    """
    packed = value.to_bytes((value.bit_length() + 7) // 8, "little")
    load = len(packed) / 256
    expected = 256 * (1 - math.exp(-load))
    deviation = math.sqrt(256 * (math.exp(-load) - (1 + load) * math.exp(-2 * load)))
    return len(set(packed)) >= expected - 6 * deviation


def _spread(starts: Indexes, counts: Indexes) -> Indexes:
    """``start, start + 1, ...``, ``count`` of them, for each pair."""
    if not len(starts):
        return starts
    ends = np.cumsum(counts)
    spread: Indexes = np.arange(ends[-1]) + np.repeat(starts - (ends - counts), counts)
    return spread

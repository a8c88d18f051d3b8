"""Numbers as a live process holds them: little-endian 64-bit limbs at aligned addresses.

Rules enforced here:

1. A word that is small, small and negative, or a user-space pointer (``w + 2**47`` wraps below
   ``2**48``) is no limb of a random number; where most such words stand tells the alignment.
2. Every function is pure and works on one block.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lockgate.scan.blocks import Block

Words = NDArray[np.uint64]
Indexes = NDArray[np.intp]

#: How alignment is sampled: so many pieces of a block, of so many bytes each.
_SAMPLES, _SAMPLE_BYTES = 16, 2048
_POINTERS = np.uint64(1 << 47)
_RANDOM = np.uint64(1 << 48)


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

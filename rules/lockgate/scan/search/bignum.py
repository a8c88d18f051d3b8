"""OpenSSL's BIGNUM in memory: ``{u64 d; i32 top; i32 dmax; i32 neg; i32 flags}``.

The layout is that of ``struct bignum_st`` in OpenSSL 1.1 and 3 on 64-bit machines: ``d``
points at ``top`` limbs, ``dmax`` are allocated.

Rules enforced here:

1. A structure counts only when its pointer leads into the dump's own memory map.
2. Secret numbers are never negative: ``neg`` is 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lockgate.scan.memory import MemoryMap
from lockgate.scan.search.limbs import Words

FORMAT = "openssl-bignum"

#: 16384 bits, the most that OpenSSL accepts as an RSA modulus.
_MOST_LIMBS = 256
#: Spare limbs that a number may have been given: twice its size and a few.
_SPARE_LIMBS = 8
#: BN_FLG_MALLOCED, STATIC_DATA, CONSTTIME, SECURE, FIXED_TOP fit below this.
_FLAGS_END = 32
_NO_BITS = np.uint64(0xFFFFFE00_FFFFFE00)


@dataclass(frozen=True, slots=True, order=True)
class LimbSpan:
    """``limbs`` limbs at ``offset`` of the dump, to which a BIGNUM points."""

    offset: int
    limbs: int


def find_bignums(words: Words, memory: MemoryMap) -> Iterator[LimbSpan]:
    """The limbs of every BIGNUM structure among ``words``."""
    yield from (span for _, span in find_structures(words, memory))


def find_structures(words: Words, memory: MemoryMap) -> Iterator[tuple[int, LimbSpan]]:
    """``(index of its first word, limbs)`` of every BIGNUM structure among ``words``."""
    if len(words) < 3:
        return
    sizes = words[1:-1]
    likely = np.flatnonzero((sizes & _NO_BITS == 0) & (sizes > np.uint64(0xFFFFFFFF)))
    flags = words[likely + 2]
    likely = likely[(flags & np.uint64(0xFFFFFFFF) == 0) & (flags < np.uint64(_FLAGS_END << 32))]
    pointers = words[likely]
    likely = likely[(pointers > np.uint64(0xFFFF)) & (pointers & np.uint64(7) == 0)]
    found = zip(likely.tolist(), words[likely].tolist(), sizes[likely].tolist(), strict=True)
    for index, address, size in found:
        top, most = size & 0xFFFFFFFF, size >> 32
        if 1 <= top <= min(most, _MOST_LIMBS) and most <= 2 * top + _SPARE_LIMBS:
            offset = memory.offset_of(address, 8 * top)
            if offset is not None:
                yield index, LimbSpan(offset, top)

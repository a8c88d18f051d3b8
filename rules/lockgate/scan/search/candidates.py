"""Windows that wait to be derived: each secret once, the likeliest first, in bounded memory.

Rules enforced here:

1. Of equal windows the likeliest stays. Equality is judged by a keyed hash, so that no file can
   make a decoy stand for a key.
2. When there are more than may be kept the least likely are dropped, and that is told.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import numpy as np

from lockgate.scan.search.secret_windows import Windows, joined
from lockgate.scan.search.word_table import Rows
from lockgate.scan.walk import Place

#: Windows derived together.
_BATCH = 4096


class Candidates:
    """Windows of ``limbs`` words, at most ``most`` of them."""

    def __init__(self, limbs: int, most: int) -> None:
        self._limbs = limbs
        self._most = most
        self._factors = np.array([secrets.randbits(64) | 1 for _ in range(limbs)], np.uint64)
        self._parts: list[Windows] = []
        self._pending = 0
        self._places: dict[int, Place] = {}
        self.is_exhausted = False

    def add(self, windows: Windows, place: Place) -> None:
        """Keep windows of one member; their offsets are bytes in it."""
        if not len(windows):
            return
        self._places[place.number] = place
        self._parts.append(windows.in_member(place.number))
        self._pending += len(windows)
        if self._pending > self._most + self._most // 4:
            self._parts = [self._best()]
            self._pending = len(self._parts[0])

    def batches(self) -> Iterator[Windows]:
        """All windows kept, the likeliest first."""
        best = self._best()
        for start in range(0, len(best), _BATCH):
            yield best.chosen(np.arange(start, min(start + _BATCH, len(best))))

    def place(self, number: int) -> Place:
        """The member with this number."""
        return self._places[number]

    def _best(self) -> Windows:
        """What is kept of all parts, which are gone then: there is room for them once only."""
        windows = joined(self._parts, self._limbs)
        self._parts = []
        hashed = self._hashed(windows.rows)
        order = np.lexsort((windows.ranks, hashed))
        hashed = hashed[order]
        first = np.ones(len(order), bool)
        first[1:] = hashed[1:] != hashed[:-1]
        unique = order[first]
        unique = unique[np.argsort(windows.ranks[unique], kind="stable")]
        if len(unique) > self._most:
            self.is_exhausted = True
        return windows.chosen(unique[: self._most])

    def _hashed(self, rows: Rows) -> Rows:
        hashed = np.zeros(len(rows), np.uint64)
        for words, factor in zip(rows.T, self._factors, strict=True):
            mixed = words * factor
            mixed ^= mixed >> np.uint64(32)
            hashed += mixed * factor
        return hashed

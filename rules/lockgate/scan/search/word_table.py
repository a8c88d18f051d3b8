"""Which 64-bit words may have been seen: one bit for each of many words, in bounded memory.

A public coordinate of four words is looked up in what a whole dump has shown without keeping
the dump: if all its words are marked, it is worth a second look.

Rules enforced here:

1. A marked word is never denied; a word that was not seen is taken for seen by chance only,
   as often as the table is full.
2. The key of the table is random, so that no file can be made to fill it.
3. C and numpy give the same answers.
"""

from __future__ import annotations

import ctypes
import secrets

import numpy as np
from numpy.typing import NDArray

from lockgate.scan import native
from lockgate.scan.native import POINTER, SIZE, U64

Rows = NDArray[np.uint64]
_Positions = NDArray[np.int64]
_U = ctypes.c_uint
_WORD = 8
#: Positions listed by one call.
_ROOM = 1 << 16


class WordTable:
    """``2**log`` bits."""

    def __init__(self, log: int) -> None:
        self._bits = np.zeros(1 << (log - 3), np.uint8)
        self._shift = 64 - log
        self._key = secrets.randbits(64) | 1

    def mark_runs(self, words: Rows, starts: _Positions, lengths: _Positions) -> None:
        """Mark ``lengths[i]`` of ``words`` from ``starts[i]`` on."""
        loop = native.function(
            "lockgate_mark_runs", None, POINTER, U64, _U, POINTER, POINTER, POINTER, SIZE
        )
        if loop is None:
            bits = self._bit(words[spread(starts, lengths)])
            np.bitwise_or.at(self._bits, bits >> np.uint64(3), _single(bits))
            return
        starts, lengths = (np.ascontiguousarray(a, np.int64) for a in (starts, lengths))
        loop(
            self._bits.ctypes.data, self._key, self._shift, words.ctypes.data, starts.ctypes.data,
            lengths.ctypes.data, len(starts),
        )  # fmt: skip

    def mark(self, words: Rows) -> None:
        """Mark all ``words``."""
        words = np.ascontiguousarray(words).ravel()
        self.mark_runs(words, np.zeros(1, np.int64), np.array([len(words)]))

    def has_rows(self, rows: Rows, used: int) -> NDArray[np.bool_]:
        """Which rows have their first ``used`` words marked."""
        loop = native.function(
            "lockgate_marked_rows", None, POINTER, U64, _U, POINTER, SIZE, SIZE, SIZE, POINTER
        )
        if loop is None:
            all_marked: NDArray[np.bool_] = np.all(self._has(rows[:, :used]), axis=1)
            return all_marked
        rows, out = np.ascontiguousarray(rows), np.zeros(len(rows), np.uint8)
        loop(
            self._bits.ctypes.data, self._key, self._shift, rows.ctypes.data, len(rows),
            rows.shape[1], used, out.ctypes.data,
        )  # fmt: skip
        return out.astype(bool)

    def pairs(self, data: bytes, start: int, stop: int) -> list[int]:
        """Positions of ``data[start:stop]``, at any alignment, of two marked words in a row."""
        stop = min(stop, len(data) - 2 * _WORD + 1)
        if stop <= start:
            return []
        loop = native.function(
            "lockgate_marked_pairs", SIZE, POINTER, U64, _U, POINTER, SIZE, SIZE, POINTER, SIZE
        )
        if loop is None:
            return self._pairs_in_numpy(data, start, stop)
        buffer, out = np.frombuffer(data, np.uint8), np.empty(_ROOM, np.int64)
        found: list[int] = []
        while start < stop:
            count = loop(
                self._bits.ctypes.data, self._key, self._shift, buffer.ctypes.data, start, stop,
                out.ctypes.data, _ROOM,
            )  # fmt: skip
            found += out[:count].tolist()
            start = found[-1] + 1 if count == _ROOM else stop
        return found

    def _pairs_in_numpy(self, data: bytes, start: int, stop: int) -> list[int]:
        found: list[int] = []
        for phase in range(start, min(start + _WORD, stop)):
            count = (stop - phase - 1) // _WORD + 2
            marked = self._has(np.frombuffer(data, np.uint64, count, phase))
            found += (np.flatnonzero(marked[:-1] & marked[1:]) * _WORD + phase).tolist()
        return sorted(found)

    def _bit(self, words: Rows) -> Rows:
        hashed: Rows = (words * np.uint64(self._key)) >> np.uint64(self._shift)
        return hashed

    def _has(self, words: Rows) -> NDArray[np.bool_]:
        bits = self._bit(words)
        marked: NDArray[np.bool_] = (self._bits[bits >> np.uint64(3)] & _single(bits)) != 0
        return marked


def spread(starts: _Positions, counts: _Positions) -> _Positions:
    """``start, start + 1, ...``, ``count`` of them, for each pair."""
    if not len(starts):
        return np.zeros(0, np.int64)
    ends = np.cumsum(counts)
    spread_out: _Positions = np.arange(ends[-1]) + np.repeat(starts - (ends - counts), counts)
    return spread_out


def _single(bits: Rows) -> NDArray[np.uint8]:
    return (np.uint64(1) << (bits & np.uint64(7))).astype(np.uint8)

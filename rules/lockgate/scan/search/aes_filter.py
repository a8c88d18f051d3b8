"""The filter for AES schedules: the linear relations of the key expansion, over every word.

Of four words of a round three are the exclusive or of the word before and the word one key
length away. This holds in either byte order, before and after InvMixColumns, and for reversed
rounds at a distance of its own; so one pass finds every layout of ``aes_schedule``.

Rules enforced here:

1. The first pass looks for three words in a row, which of 2**96 random ones satisfy it once;
   zeros and small numbers, which satisfy linear relations everywhere, do not count.
2. C and numpy give the same pairs.
3. What passes is judged by the word that goes through the S-box, which also tells the round.
   Only then is a schedule expanded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lockgate.scan import native
from lockgate.scan.native import POINTER, SIZE
from lockgate.scan.search.aes_schedule import LAYOUTS, RCON, SBOX, Layout, mixed_byte
from lockgate.scan.search.limbs import Indexes

_Words32 = NDArray[np.uint32]
_Words64 = NDArray[np.uint64]
_SBOX = np.frombuffer(SBOX, np.uint8)
_COLUMNS = np.array(
    [
        [(c := mixed_byte(b)) << 8 * p & 0xFFFFFFFF | c >> 32 - 8 * p for b in range(256)]
        for p in range(4)
    ],
    np.uint32,
)
#: Round constant to the number of its round, 0 for a byte that is none.
_TURNS = np.zeros(256, np.intp)
_TURNS[list(RCON)] = range(1, len(RCON) + 1)


@dataclass(frozen=True, slots=True)
class Relation:
    """A linear relation of pairs of words, and where the S-box word of their round stands.

    ``w[i] ^ w[i - 1]`` and ``w[i + 1] ^ w[i]`` equal the words at ``i + distance``, and so does
    one of ``thirds``: a word some places on, at a distance of its own. The word
    that went through the S-box stands at ``i - back`` for one of ``backs``; it is the
    exclusive or of the word ``old`` places on, and the substituted word ``last`` places on.
    Pairs are looked at where ``i`` is even, for ``odd`` where it is odd.
    """

    nk: int
    distance: int
    backs: tuple[int, ...]
    old: int
    last: int
    thirds: tuple[tuple[int, int], ...]
    odd: bool = False

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """The layouts that satisfy it; where rounds are reversed, older words stand behind."""
        return LAYOUTS[self.nk, self.distance > 0]


#: Reversed, a round's words keep their order: the word before stands before, the round before
#: behind. AES-192 has only its third and fourth word of a round at one distance.
RELATIONS = (
    Relation(4, -4, (1, 2), -4, -1, ((-1, -4), (2, -4))),
    Relation(6, -6, (1, 2, 3, 4), -6, -1, ((-1, -6), (2, -6))),
    Relation(8, -8, (1, 2), -8, -1, ((-1, -8), (2, -8))),
    Relation(4, 4, (1, 2), 4, 7, ((-1, 4), (2, 4))),
    Relation(6, 2, (2,), 10, 7, ((-1, 10),)),
    Relation(6, 2, (2,), 10, 7, ((-1, 10),), odd=True),
    Relation(8, 8, (1, 2), 8, 7, ((-1, 8), (2, 8))),
)

#: Words looked at by one pass of numpy: they and their differences stay in the second cache.
_CHUNK = 1 << 16
#: Words before and after a pair that a relation reaches; the first is even.
_BEFORE, _AFTER = 10, 12
_HIGH_OF_FIRST, _BELOW_HIGH_OF_SECOND = np.uint64(0xFFFF0000), np.uint64((1 << 48) - 1)
#: Pairs listed by one call of the loop in C.
_ROOM = 4096


@dataclass(frozen=True, slots=True)
class Candidate:
    """A schedule may begin at ``start``; the key follows from the words from ``first`` on."""

    layout: Layout
    start: int
    first: int


def candidates(data: bytes, start: int, stop: int, phase: int) -> Iterator[Candidate]:
    """What may be a schedule around words at ``phase`` modulo 4 in ``data[start:stop]``."""
    begin = max(0, start - 4 * _BEFORE)
    begin += (phase - begin) % 4
    end = min(len(data), stop + 4 * _AFTER)
    if end - begin < 4 * (_BEFORE + _AFTER):
        return
    for number, pairs in enumerate(_pairs(data, begin, end)):
        if len(pairs):
            yield from _judged(data, begin, RELATIONS[number], pairs)


def _pairs(data: bytes, begin: int, end: int) -> list[Indexes]:
    """For every relation, the words (from ``begin`` on) at which a pair satisfies it."""
    words = np.frombuffer(data, "<u4", (end - begin) // 4, begin)
    found = list(_pairs_in_c(words) or _pairs_in_numpy(words))
    return [np.concatenate(of_relation) for of_relation in zip(*found, strict=True)]


def _pairs_in_c(words: _Words32) -> Iterator[list[Indexes]] | None:
    """By :mod:`lockgate.scan.native`; None when it is not there."""
    loop = native.function("lockgate_aes_pairs", SIZE, POINTER, SIZE, SIZE, POINTER, SIZE, POINTER)
    return None if loop is None else _listed(loop, words)


def _listed(loop: Callable[..., int], words: _Words32) -> Iterator[list[Indexes]]:
    out, after = np.empty(_ROOM, np.int64), np.zeros(1, np.int64)
    while after[0] < len(words):
        given = words.ctypes.data, len(words), int(after[0]), out.ctypes.data, _ROOM
        count = loop(*given, after.ctypes.data)
        listed = out[:count]
        yield [listed[listed & 7 == number] >> 3 for number in range(len(RELATIONS))]


def _pairs_in_numpy(words: _Words32) -> Iterator[list[Indexes]]:
    """The same, some hundred kilobytes at a time."""
    for at in range(0, len(words), _CHUNK):
        first = max(0, at - _BEFORE)
        own = at - first, at + _CHUNK - first
        some = _satisfied(words[first : at + _CHUNK + _AFTER])
        pairs = [found[(found >= own[0]) & (found < own[1])] + first for found in some]
        yield [_with_third(words, r, found) for r, found in zip(RELATIONS, pairs, strict=True)]


def _with_third(words: _Words32, relation: Relation, pairs: Indexes) -> Indexes:
    """Those pairs beside which a third word satisfies the relation."""
    good = np.zeros(len(pairs), bool)
    for step, distance in relation.thirds if len(pairs) else ():
        place, other = pairs + step, pairs + (step + distance)
        inside = (place >= 1) & (place < len(words)) & (other >= 0) & (other < len(words))
        place, other = place[inside], other[inside]
        sums = words[place] ^ words[place - 1]
        good[inside] |= (sums == words[other]) & (sums != 0)
    return pairs[good]


def _satisfied(words: _Words32) -> Iterator[Indexes]:
    """For every relation, the words at which a pair satisfies it."""
    count = len(words) // 2
    even = words[: 2 * count].copy().view(np.uint64)
    odd = words[1 : 1 + (len(words) - 1) // 2 * 2].copy().view(np.uint64)
    at_even = even[1:] ^ odd[: count - 1]
    at_odd = odd ^ even[: len(odd)]
    busy_even, busy_odd = _busy(at_even), _busy(at_odd)
    for relation in RELATIONS:
        distance = relation.distance // 2
        if relation.odd:
            yield 2 * _equal(at_odd, busy_odd, odd, distance) + 1
        else:
            # The first sum is that of the second pair.
            yield 2 * _equal(at_even, busy_even, even, distance + 1) + 2


def _busy(sums: _Words64) -> NDArray[np.bool_]:
    """Where both halves have bits above the lowest 16, as small numbers have not."""
    busy: NDArray[np.bool_] = (sums & _HIGH_OF_FIRST) != 0
    busy &= sums > _BELOW_HIGH_OF_SECOND
    return busy


def _equal(sums: _Words64, busy: NDArray[np.bool_], pairs: _Words64, distance: int) -> Indexes:
    """Where ``sums[k]`` is ``pairs[k + distance]``, and busy."""
    low, high = max(0, -distance), min(len(sums), len(pairs) - distance)
    if high <= low:
        return np.zeros(0, np.intp)
    same = sums[low:high] == pairs[low + distance : high + distance]
    same &= busy[low:high]
    return np.flatnonzero(same) + low


def _judged(data: bytes, begin: int, relation: Relation, pairs: Indexes) -> Iterator[Candidate]:
    """Those pairs beside which a word went through the S-box, in any layout."""
    words = np.frombuffer(data, "<u4", (len(data) - begin) // 4, begin)
    likely = np.zeros(len(words), bool)
    for back in relation.backs:
        likely[pairs - back] = True
    low, high = max(0, -relation.old), len(words) - max(relation.old, relation.last, 0)
    places = np.flatnonzero(likely[low:high]) + low
    terms = words[places], words[places + relation.old], words[places + relation.last]
    for layout in relation.layouts:
        for place, turn in _turns(layout, *terms):
            word = relation.nk * turn
            if word < 4 * (layout.rounds + 1):
                start = begin + 4 * (int(places[place]) - layout.position(word))
                yield Candidate(layout, start, word - relation.nk)


def _turns(
    layout: Layout, new: _Words32, old: _Words32, last: _Words32
) -> Iterator[tuple[int, int]]:
    """(index, m) where ``new ^ old`` is the substituted ``last`` and the constant of word m * nk.

    For AES-192 reversed only every second such word is the first of its round.
    """
    if layout.is_swapped:
        new, old, last = new.byteswap(), old.byteswap(), last.byteswap()
    if layout.is_mixed:
        new, old, last = _mixed(new), _mixed(old), _mixed(last)
    substituted = _SBOX[last.view(np.uint8)].view(np.uint32)
    rest = new ^ old ^ (substituted >> np.uint32(8) | substituted << np.uint32(24))
    likely = np.flatnonzero(rest < 256)
    turns = _TURNS[rest[likely]]
    right = turns > 0
    if layout.nk == 6 and layout.is_reversed:
        right &= turns % 2 == 0
    yield from zip(likely[right].tolist(), turns[right].tolist(), strict=True)


def _mixed(words: _Words32) -> _Words32:
    columns = words.view(np.uint8).reshape(-1, 4)
    mixed: _Words32 = _COLUMNS[0][columns[:, 0]]
    for place in range(1, 4):
        mixed = mixed ^ _COLUMNS[place][columns[:, place]]
    return mixed

"""AES key schedules as programs keep them, and the proof that some bytes are one (FIPS 197).

Rules enforced here:

1. Proof is arithmetic: the key is computed from as many words as it has, expanded, and compared
   with the bytes that stand there. At least three whole rounds that the words did not fix must
   agree, which by chance happens once in 2**360 or more.
2. A schedule need not be whole: rounds that are overwritten do not hide it, nor do a few
   flipped bits where all but two rounds are there. Not both: a key computed from flipped bits is
   another key, whose schedule agrees with some rounds, but never with nearly all.
3. Layouts are data: order of rounds, order of bytes in a word, and whether the middle rounds
   went through InvMixColumns (the equivalent inverse cipher, FIPS 197 section 5.3.5).

Words are integers whose lowest byte is the first in FIPS 197's order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

#: Bits of all rounds together that may differ from the expansion, and of one round.
_FLIPPED_BITS, _FLIPPED_IN_ROUND = 10, 4
#: Rounds that must agree beyond those that the key's words determine.
_SPARE_ROUNDS = 3
_ROUND_BYTES = 16
_MASK = 0xFFFFFFFF


def _doubled(value: int) -> int:
    """Times x in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1."""
    return (value << 1) ^ (0x11B if value & 0x80 else 0)


def _substitution() -> bytes:
    """The S-box: the inverse in GF(2^8) and an affine map."""
    powers, logs, value = [0] * 255, [0] * 256, 1
    for exponent in range(255):
        powers[exponent], logs[value] = value, exponent
        value ^= _doubled(value)
    box = bytearray((0x63,))
    for byte in range(1, 256):
        inverse = powers[-logs[byte] % 255]
        spread = inverse * 0x101
        box.append(0x63 ^ (inverse ^ spread >> 4 ^ spread >> 5 ^ spread >> 6 ^ spread >> 7) & 0xFF)
    return bytes(box)


def _round_constants() -> tuple[int, ...]:
    values = [1]
    while len(values) < 10:
        values.append(_doubled(values[-1]))
    return tuple(values)


SBOX = _substitution()
#: ``RCON[m - 1]`` is the constant of the word ``m * nk``.
RCON = _round_constants()


def mixed_byte(byte: int) -> int:
    """MixColumns of a column whose first byte is ``byte`` and whose others are zero."""
    twice = _doubled(byte)
    return twice | byte << 8 | byte << 16 | (twice ^ byte) << 24


def _mixed(word: int) -> int:
    """MixColumns of one column."""
    total = 0
    for place in range(4):
        column = mixed_byte(word >> 8 * place & 0xFF)
        total ^= column << 8 * place & _MASK | column >> 32 - 8 * place
    return total


def _unmixed(word: int) -> int:
    """InvMixColumns, which is MixColumns three times."""
    return _mixed(_mixed(_mixed(word)))


def _swapped(word: int) -> int:
    return int.from_bytes(word.to_bytes(4, "little"), "big")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a schedule of ``nk`` key words stands in memory, in words of four bytes."""

    nk: int
    is_reversed: bool
    is_swapped: bool
    is_mixed: bool

    @property
    def rounds(self) -> int:
        """The number of rounds; there is one round key more."""
        return self.nk + 6

    @property
    def name(self) -> str:
        """What a report calls the format."""
        return "aes-decrypt-schedule" if self.is_reversed or self.is_mixed else "aes-schedule"

    def position(self, word: int) -> int:
        """Where the word ``word`` of FIPS 197 stands, counted from the start of the layout."""
        turn, column = divmod(word, 4)
        return 4 * (self.rounds - turn) + column if self.is_reversed else word

    def read(self, stored: int) -> int:
        """A word of a middle round as FIPS 197 has it."""
        word = _swapped(stored) if self.is_swapped else stored
        return _mixed(word) if self.is_mixed else word

    def round_key(self, words: Sequence[int], turn: int) -> bytes:
        """The bytes of one round as they should stand."""
        chosen = words[4 * turn : 4 * turn + 4]
        if self.is_mixed and 0 < turn < self.rounds:
            chosen = [_unmixed(word) for word in chosen]
        order = "big" if self.is_swapped else "little"
        return b"".join(word.to_bytes(4, order) for word in chosen)  # type: ignore[arg-type]


#: Every layout, by (nk, is_reversed).
LAYOUTS: dict[tuple[int, bool], tuple[Layout, ...]] = {
    (nk, reverse): tuple(Layout(nk, reverse, s, m) for s, m in product((False, True), repeat=2))
    for nk, reverse in product((4, 6, 8), (False, True))
}


@dataclass(frozen=True, slots=True)
class Schedule:
    """A proven schedule: ``length`` bytes from ``start`` on hold round keys of ``key``."""

    layout: Layout
    start: int
    length: int
    key: bytes = field(repr=False)


def expand(known: Sequence[int], first: int) -> list[int]:
    """The whole schedule from as many words as the key has, the first being word ``first``."""
    nk = len(known)
    total = 4 * (nk + 7)
    words = [0] * total
    words[first : first + nk] = known
    for i in range(first + nk, total):
        words[i] = words[i - nk] ^ _step(nk, i, words[i - 1])
    for i in range(first + nk - 1, nk - 1, -1):
        words[i - nk] = words[i] ^ _step(nk, i, words[i - 1])
    return words


def _step(nk: int, i: int, before: int) -> int:
    """What the key expansion adds to the word ``nk`` places before word ``i``."""
    if i % nk == 0:
        return _substituted(before >> 8 | before << 24 & _MASK) ^ RCON[i // nk - 1]
    return _substituted(before) if nk == 8 and i % 8 == 4 else before


def _substituted(word: int) -> int:
    return int.from_bytes(word.to_bytes(4, "little").translate(SBOX), "little")


def prove(data: bytes, start: int, layout: Layout, likely: int) -> Schedule | None:
    """The schedule that begins at ``start`` (which may lie before the data), if it is one.

    Some ``nk`` words in a row must be undamaged; those from word ``likely`` on are tried first.
    """
    outer = 4 if layout.is_mixed else 0
    others = range(outer, 4 * (layout.rounds + 1) - outer - layout.nk + 1)
    tries = (_prove_from(data, start, layout, first) for first in (likely, *others))
    return next((schedule for schedule in tries if schedule is not None), None)


def _prove_from(data: bytes, start: int, layout: Layout, first: int) -> Schedule | None:
    """The schedule of the key that the words from ``first`` on make, if it stands there.

    When the layout is mixed they must be words of middle rounds.
    """
    places = [start + 4 * layout.position(first + i) for i in range(layout.nk)]
    if min(places) < 0 or max(places) + 4 > len(data):
        return None
    known = [layout.read(int.from_bytes(data[p : p + 4], "little")) for p in places]
    words = expand(known, first)
    agreeing, flipped = _agreeing(data, start, layout, words)
    allowed = _FLIPPED_BITS if len(agreeing) >= layout.rounds - 1 else 0
    if 4 * (len(agreeing) - _SPARE_ROUNDS) < layout.nk or flipped > allowed:
        return None
    key = b"".join(word.to_bytes(4, "little") for word in words[: layout.nk])
    length = agreeing[-1] + _ROUND_BYTES - agreeing[0]
    return Schedule(layout, agreeing[0], length, key)


def _agreeing(
    data: bytes, start: int, layout: Layout, words: Sequence[int]
) -> tuple[list[int], int]:
    """Where rounds stand that agree with ``words``, in order, and their flipped bits."""
    agreeing, flipped = [], 0
    for turn in range(layout.rounds + 1):
        at = start + 4 * layout.position(4 * turn)
        there = data[at : at + _ROUND_BYTES] if at >= 0 else b""
        if len(there) == _ROUND_BYTES:
            expected = int.from_bytes(layout.round_key(words, turn), "big")
            differing = (int.from_bytes(there, "big") ^ expected).bit_count()
            if differing <= _FLIPPED_IN_ROUND:
                agreeing.append(at)
                flipped += differing
    return sorted(agreeing), flipped

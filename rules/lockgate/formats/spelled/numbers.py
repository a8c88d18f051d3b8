"""The long numbers in a piece of text: colons, hexadecimal, decimal.

Rules enforced here:

1. A number of more than 56 digits none of which is a letter is decimal; hexadecimal digits
   drawn at random are that in one of 10^11.
2. Only the nearest numbers are taken, so that work is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_NUMBER = re.compile(
    rb"(?P<colons>(?:[0-9A-Fa-f]{2}(?::[ \t]*(?:\r?\n[ \t]*)?|\r?\n[ \t]+)){15,}[0-9A-Fa-f]{2})"
    rb"|(?P<hex>(?:0[xX])?[0-9A-Fa-f]{40,})"
)
_COLONS = re.compile(rb"[^0-9A-Fa-f]+")
_MOST_NUMBERS = 8


@dataclass(frozen=True, slots=True)
class Spelled:
    """One number: its bytes as written (of a decimal one, as few as hold it), and its span."""

    raw: bytes = field(repr=False)
    start: int
    stop: int

    @property
    def value(self) -> int:
        """The number."""
        return int.from_bytes(self.raw, "big")


def numbers_in(text: bytes, match: int) -> list[Spelled]:
    """The numbers nearest to the match, in the order of the text."""
    found = sorted(_numbers(text), key=lambda n: abs(n.start - match))[:_MOST_NUMBERS]
    return sorted(found, key=lambda n: n.start)


def _numbers(text: bytes) -> Iterator[Spelled]:
    for number in _NUMBER.finditer(text):
        yield Spelled(_bytes(number), *number.span())


def _bytes(number: re.Match[bytes]) -> bytes:
    digits = number[0]
    if number["colons"]:
        return bytes.fromhex(_COLONS.sub(b"", digits).decode("ascii"))
    if digits.isdigit():
        value = int(digits)
        return value.to_bytes((value.bit_length() + 7) // 8, "big")
    digits = digits[2:] if digits[1:2] in b"xX" else digits
    return bytes.fromhex(digits.rjust(len(digits) + len(digits) % 2, b"0").decode("ascii"))

"""Settle hexadecimal digits of something that begins a key.

Rules enforced here:

1. Digits belong to one run as long as nothing but separators stands between them; prefixes of
   C, Java and Go count as separators, and a lone digit behind one is a byte.
2. The first bytes are decoded before all others; a decoy ends there.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from lockgate.formats import unfolding
from lockgate.scan.evidence import Candidate, Judgement, Refuted
from lockgate.scan.text.characters import Characters, Indexes, characters
from lockgate.scan.text.escapes import FILL

NAME = "hexadecimal"

_PREFIX = re.compile(
    rb"0[xX](?:(?P<lone>[0-9A-Fa-f])(?![0-9A-Fa-f]))?|\((?:byte|uint8_t|char)\)|\\+[nrt]|\\+x"
)
_SUFFIX = re.compile(rb"(?<=[0-9A-Fa-f])(?:[uU]8?|h)\b")
_RUN = re.compile(rb"[0-9A-Fa-f\0\s,:;'\"+\\.|-]+")
_RUN_CHARACTERS = b"0123456789abcdefABCDEF\0 \t\r\n,:;'\"+\\.|-"
_BEFORE, _HEAD_CHARACTERS = 256, 256
_MOST_CHARACTERS = 48 << 10
_NO_DIGIT = 16

_VALUES = np.full(256, _NO_DIGIT, np.uint8)
_VALUES[list(b"0123456789abcdef")] = range(16)
_VALUES[list(b"ABCDEF")] = range(10, 16)


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of the rules, which begins at the first byte that they fix."""
    text = characters(candidate)
    first = max(0, text.index - _BEFORE)
    head, places, at = _decode(text, first, text.index + _HEAD_CHARACTERS)
    at = next((i for i in (at, at - 2) if i >= 0 and unfolding.begins_key(head, i)), -1)
    if at < 0:
        return Refuted("nothing that begins a key")
    length = unfolding.structure_length(head, at)
    if length is not None:
        per_byte = (int(places[-1]) - int(places[0])) // len(head) + 1
        data, places, _ = _decode(text, first, text.index + (length + at) * per_byte * 3 // 2)
    elif unfolding.is_text(head, at):
        data, places, _ = _decode(text, first, text.index + _MOST_CHARACTERS)
    else:
        return Refuted("no structure around the version")
    return unfolding.unfold(NAME, data, text.places(places), at)


def _decode(text: Characters, first: int, stop: int) -> tuple[bytes, Indexes, int]:
    """The bytes of the run around the match, where each begins, and which one the match is."""
    digits = _SUFFIX.sub(_filled, _PREFIX.sub(_filled, text.data[first:stop]))
    match = text.index - first
    start = len(digits[:match].rstrip(_RUN_CHARACTERS))
    run = _RUN.match(digits, start)
    values: npt.NDArray[np.uint8] = _VALUES[
        np.frombuffer(digits[: run.end() if run else start], np.uint8)
    ]
    indexes = np.flatnonzero(values[start:] != _NO_DIGIT) + start
    before = int(np.searchsorted(indexes, match))
    indexes = indexes[before % 2 :]
    indexes = indexes[: len(indexes) // 2 * 2]
    found = values[indexes]
    data = (found[0::2] << 4 | found[1::2]).tobytes()
    ends = indexes[1::2][-1:] + 1
    return data, np.append(indexes[0::2], ends) + first, before // 2


def _filled(match: re.Match[bytes]) -> bytes:
    """Fill for a prefix; a lone digit behind it becomes two."""
    lone = match.groupdict().get("lone")
    end = b"" if lone is None else b"0" + lone
    return end.rjust(len(match[0]), bytes((FILL,)))

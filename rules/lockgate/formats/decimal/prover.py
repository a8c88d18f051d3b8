"""Settle a list of decimal numbers that begins a key.

Rules enforced here:

1. Numbers are bytes, signed or not; a number that is none ends the list.
2. The first bytes are decoded before all others; a decoy ends there.
"""

from __future__ import annotations

import re

import numpy as np

from lockgate.formats import unfolding
from lockgate.scan.evidence import Candidate, Judgement, Refuted
from lockgate.scan.text.characters import Characters, Indexes, characters

NAME = "decimal"

_NUMBER = re.compile(rb"(-?\d{1,3})(?:[uU]8|\b)(?!\d)")
_BETWEEN = re.compile(rb"[\s,;'\"\\|]{1,80}(?:\(byte\)[ ]?)?|\\[nrt]")
_LIST_CHARACTERS = b"-0123456789 \t\r\n,;"
_BEFORE, _HEAD_CHARACTERS = 256, 160
_MOST_CHARACTERS = 60 << 10
_CHARACTERS_A_BYTE = 6
_LEAST, _MOST = -128, 255


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of the rules, which begins at the first number that they fix."""
    text = characters(candidate)
    first = _first_number(text)
    head, places = _decode(text, first, text.index + _HEAD_CHARACTERS)
    at = _index_of(places, text.index)
    if at is None:
        return Refuted("the list begins behind the match")
    at = next((i for i in (at, at - 2) if i >= 0 and unfolding.begins_key(head, i)), -1)
    length = unfolding.structure_length(head, at) if at >= 0 else None
    if length is not None:
        per_byte = max(_CHARACTERS_A_BYTE, 2 * (int(places[-1]) - first) // len(head))
        stop = text.index + (at + length) * per_byte
    elif at >= 0 and unfolding.is_text(head, at):
        stop = text.index + _MOST_CHARACTERS
    else:
        return Refuted("nothing that begins a key")
    data, places = _decode(text, first, stop)
    return unfolding.unfold(NAME, data, text.places(places), at)


def _first_number(text: Characters) -> int:
    """Where the list that holds the match begins, or the part of it that is looked at."""
    before = text.data[max(0, text.index - _BEFORE) : text.index]
    listed = before[len(before.rstrip(_LIST_CHARACTERS)) :]
    start = text.index - len(listed)
    if len(listed) == _BEFORE:  # in the midst of a number, perhaps
        start += len(listed) - len(listed.lstrip(b"-0123456789"))
    return (
        start
        + len(text.data[start : text.index])
        - len(text.data[start : text.index].lstrip(b" \t\r\n,;"))
    )


def _index_of(places: Indexes, match: int) -> int | None:
    at = int(np.searchsorted(places, match))
    return at if at < len(places) - 1 else None


def _decode(text: Characters, first: int, stop: int) -> tuple[bytes, Indexes]:
    """The bytes of the list from ``first`` on, and where each begins."""
    data, places, at = bytearray(), [], first
    while at < stop and (number := _NUMBER.match(text.data, at)) is not None:
        value = int(number[1])
        if not _LEAST <= value <= _MOST:
            break
        data.append(value % 256)
        places.append(at)
        at = number.end()
        between = _BETWEEN.match(text.data, at)
        if between is None:
            break
        at = between.end()
    end = places[-1] + 1 if places else first
    return bytes(data), np.array([*places, end])

r"""Settle string literals that stand for something that begins a key.

Rules enforced here:

1. One escape is one byte; a character without one is its own byte, so that Python's
   ``b'0\x82'`` and C's ``"\x30\x82"`` are the same two bytes.
2. Literals of a string in another string double their backslashes: how many, the anchor shows.
3. Adjacent literals are one (C, Python). A percent sign is an escape only where the anchor
   is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import numpy as np

from lockgate.formats import unfolding
from lockgate.scan.evidence import Candidate, Judgement, Refuted
from lockgate.scan.text.characters import Characters, Indexes, characters

NAME = "literal"

_LETTERS = dict(zip(b"abtnvfre0'\"?/", b"\a\b\t\n\v\f\r\x1b\0'\"?/", strict=True))
_PERCENT = b"%00"
#: The tag of a SEQUENCE, as itself or escaped.
_SEQUENCE = re.compile(rb"0|(?<!\\)\\+(?:x30|u0030|060)|%30")
_HEADER_CHARACTERS = 96
_HEAD_CHARACTERS = 160
_CHARACTERS_A_BYTE = 7
_MOST_BYTES = 12 << 10


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of the rule, which begins at the first escape that it fixes."""
    text = characters(candidate)
    before = text.data[: text.index]
    match = len(before.rstrip(b"\\"))
    slashes = _slashes(text.data[match : match + _HEADER_CHARACTERS])
    token = _tokens(slashes, percent=text.after.startswith(b"%") or _PERCENT in text.after[:20])
    for first in _starts(text.data, match):
        head, places = _decode(text, token, first, match + _HEAD_CHARACTERS)
        at = _key_at(head, places, match)
        if at is None:
            continue
        length = unfolding.structure_length(head, at)
        if length is None and not unfolding.is_text(head, at):
            continue
        stop = match + _CHARACTERS_A_BYTE * slashes * (length or _MOST_BYTES)
        data, places = _decode(text, token, first, stop)
        return unfolding.unfold(NAME, data, text.places(places), at)
    return Refuted("nothing that begins a key")


def _starts(text: bytes, match: int) -> Iterator[int]:
    """Where the literal of the structure may begin: at a byte 0x30 before the match, or at it."""
    first = max(0, match - _HEADER_CHARACTERS)
    yield from (start.start() for start in _SEQUENCE.finditer(text, first, match))
    yield match


def _key_at(head: bytes, places: Indexes, match: int) -> int | None:
    """Which byte begins a key: the one at the match, or some before it where an OID begins."""
    at = int(np.searchsorted(places, match))
    if at >= len(head) or places[at] != match:
        return None
    return next((i for i in (at, at - 3, at - 8) if i >= 0 and unfolding.begins_key(head, i)), None)


def _slashes(anchor: bytes) -> int:
    """How many backslashes make one escape in the text from the first escape on."""
    runs = re.findall(rb"\\+(?=[xu0-9])", anchor)
    return max(1, min(map(len, runs), default=1))


@cache
def _tokens(slashes: int, *, percent: bool) -> re.Pattern[bytes]:
    """One byte, or what joins two literals."""
    slash = rb"\\" * slashes
    return re.compile(
        slash + rb"(?:(?:x|u00)(?P<hex>[0-9A-Fa-f]{2})|u\{(?P<code>[0-9A-Fa-f]{1,2})\}"
        rb"|(?P<octal>[0-3][0-7]{2})"
        rb"|(?P<letter>[abtnvfre0'\"?/])|(?P<backslash>" + slash + rb"))"
        rb"|\\(?P<quote>['\"])"
        + (rb"|%(?P<percent>[0-9A-Fa-f]{2})" if percent else b"")
        + rb"|(?P<join>['\"](?:[\s+.]|\\(?=\r?\n)){1,80}(?:br?|rb|B)?['\"])"
        rb"|(?P<latin>[\xc2\xc3][\x80-\xbf])"
        rb"|(?P<plain>[^\\\r\n])"
    )


def _decode(
    text: Characters, token: re.Pattern[bytes], first: int, stop: int
) -> tuple[bytes, Indexes]:
    """The bytes of the literals from ``first`` on, and where each begins."""
    data, places, at = bytearray(), [], first
    while at < stop and (match := token.match(text.data, at)) is not None:
        if match.lastgroup != "join":
            data.append(_byte(match))
            places.append(at)
        at = match.end()
    return bytes(data), np.array([*places, at])


def _byte(match: re.Match[bytes]) -> int:
    kind = match.lastgroup or ""
    written = match[kind]
    match kind:
        case "hex" | "code" | "percent":
            return int(written, 16)
        case "octal":
            return int(written, 8)
        case "letter":
            return _LETTERS[written[0]]
        case "latin":
            return ord(written.decode("utf-8"))
    return written[0]  # a backslash, a quote, a plain character

"""The members of the JSON object around a place, however the object is written down.

Rules enforced here:

1. An object is what stands between its braces: order, white space, single quotes and escapes
   of an outer string do not matter; what nested objects hold does not belong to it.
2. Work is bounded by the window; a missing brace gives the members that are there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_BRACE = re.compile(rb"[{}]")
_NESTED = re.compile(rb"\{[^{}]*\}")
#: Objects and lists of objects inside a key, at most.
_DEEPEST = 4
_MEMBER = re.compile(
    rb"\\*[\"']([A-Za-z_0-9]{1,16})\\*[\"']\s*(?::|=>)\s*\\*[\"']"
    rb"([A-Za-z0-9+/_=-]{0,12000})(\\*[\"'])?"
)


@dataclass(frozen=True, slots=True)
class JsonObject:
    """Members with text of base64 or simpler; ``start`` and ``stop`` in the text searched.

    ``cut`` names the members whose value has no end.
    """

    members: dict[bytes, bytes] = field(repr=False)
    start: int
    stop: int
    cut: frozenset[bytes]


def object_around(text: bytes, at: int) -> JsonObject:
    """The innermost object around ``at``."""
    start, stop = _opening(text, at), _closing(text, at)
    inner = text[start + 1 : stop - 1] if text[stop - 1 : stop] == b"}" else text[start:stop]
    for _ in range(_DEEPEST):
        inner, nested = _NESTED.subn(lambda m: b" " * len(m[0]), inner)
        if not nested:
            break
    found = list(_MEMBER.finditer(inner))
    return JsonObject(
        members={m[1]: m[2] for m in reversed(found)},
        start=start,
        stop=stop,
        cut=frozenset(m[1] for m in found if m[3] is None),
    )


def _opening(text: bytes, at: int) -> int:
    depth, place = 0, at
    while 0 <= depth <= _DEEPEST:
        place = max(text.rfind(b"{", 0, place), text.rfind(b"}", 0, place))
        if place < 0:
            return at
        depth += 1 if text[place] == ord("}") else -1
    return place


def _closing(text: bytes, at: int) -> int:
    depth = 0
    for brace in _BRACE.finditer(text, at):
        depth += 1 if brace[0] == b"{" else -1
        if not 0 <= depth <= _DEEPEST:
            return brace.end()
    return len(text)

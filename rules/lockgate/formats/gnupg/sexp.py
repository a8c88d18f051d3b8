"""S-expressions (Rivest's draft; Libgcrypt manual, "S-expressions"): canonical and advanced.

Rules enforced here:

1. The reader is total and bounded in depth and in the number of elements: hostile text gives
   None.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field

_DEEPEST = 12
_MOST = 400
_TOKEN = re.compile(
    rb"""\s*(?:(?P<open>\()|(?P<close>\))|(?P<size>\d{1,6}):|#(?P<hex>[0-9A-Fa-f\s]*)\#|"""
    rb"""\|(?P<base64>[A-Za-z0-9+/=\s]*)\||"(?P<quoted>(?:[^"\\]|\\[^\n])*)"|(?P<word>[A-Za-z0-9./_:*+=-]+))"""
)
_ESCAPE = re.compile(rb"""\\(?:x(?P<hex>[0-9A-Fa-f]{2})|(?P<octal>[0-3][0-7]{2})|(?P<letter>.))""")
_LETTERS = {b"b": b"\b", b"t": b"\t", b"v": b"\v", b"n": b"\n", b"f": b"\f", b"r": b"\r"}


@dataclass(frozen=True, slots=True)
class Expression:
    """A list: atoms are bytes. ``end`` is the offset behind its closing parenthesis."""

    items: list[bytes | Expression] = field(repr=False)
    end: int

    @property
    def head(self) -> bytes:
        """The first atom; empty when there is none."""
        return self.items[0] if self.items and isinstance(self.items[0], bytes) else b""

    def sub(self, name: bytes) -> Expression | None:
        """The first list inside whose first atom is ``name``."""
        return next((s for s in self.lists() if s.head == name), None)

    def lists(self) -> list[Expression]:
        """The lists inside."""
        return [item for item in self.items if isinstance(item, Expression)]

    def value(self, name: bytes) -> bytes | None:
        """The second atom of the first list inside whose first atom is ``name``."""
        found = self.sub(name)
        if found is None or len(found.items) < 2 or not isinstance(found.items[1], bytes):
            return None
        return found.items[1]


def read(data: bytes, at: int = 0) -> Expression | None:
    """The list that opens at ``at``; None when it is cut, broken or beyond the bounds."""
    stack: list[list[bytes | Expression]] = []
    for _ in range(_MOST):
        token = _TOKEN.match(data, at)
        if token is None:
            return None
        at = token.end()
        if token["open"]:
            stack.append([])
        elif not stack:
            return None
        elif token["close"]:
            done = Expression(stack.pop(), at)
            if not stack:
                return done
            stack[-1].append(done)
        else:
            atom, at = _atom(data, token)
            if atom is None:
                return None
            stack[-1].append(atom)
        if len(stack) > _DEEPEST:
            return None
    return None


def _atom(data: bytes, token: re.Match[bytes]) -> tuple[bytes | None, int]:
    """The atom of a token, and where it ends."""
    end = token.end()
    if token["size"] is not None:
        stop = end + int(token["size"])
        return (data[end:stop], stop) if stop <= len(data) else (None, end)
    try:
        if token["hex"] is not None:
            return binascii.a2b_hex(b"".join(token["hex"].split())), end
        if token["base64"] is not None:
            return binascii.a2b_base64(token["base64"]), end
    except binascii.Error:
        return None, end
    if token["quoted"] is not None:
        return _ESCAPE.sub(_character, token["quoted"]), end
    return token["word"], end


def _character(escape: re.Match[bytes]) -> bytes:
    """What an escape in a quoted string stands for, as in C."""
    if escape["letter"] is not None:
        return _LETTERS.get(escape["letter"], escape["letter"])
    base = 16 if escape["hex"] is not None else 8
    return bytes((int(escape["hex"] or escape["octal"], base),))

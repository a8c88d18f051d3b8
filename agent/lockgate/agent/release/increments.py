"""How much of a growing file may leave, of what was judged.

Rules enforced here:

1. Bytes are judged together with the 64 KiB before them and with whatever follows already.
2. Only whole lines leave, and nothing after the beginning of what may be a key before its
   end has been seen. A line, or a key, of more than 64 KiB is none.
3. When more was written than one increment holds, the last 64 KiB of it wait for the next.
"""

from __future__ import annotations

from dataclasses import dataclass

CONTEXT = 64 << 10
LARGEST = 64 << 20

#: Keys that are written over several lines: how they begin and how they end.
_BRACKETS = (
    (b"-----BEGIN ", b"-----END "),
    (b"---- BEGIN ", b"---- END "),
    (b"PuTTY-User-Key-File-", b"Private-MAC:"),
    (b"<RSAKeyValue>", b"</RSAKeyValue>"),
)


@dataclass(frozen=True, slots=True)
class Window:
    """Bytes ``start`` to ``end`` of a file are judged; ``first`` to ``limit`` may leave."""

    start: int
    end: int
    first: int
    limit: int


def window_of(first: int, settled: int, size: int) -> Window:
    """The window to judge for the bytes from ``first`` on.

    ``settled``: how far the file reached a moment ago; what came later is judged, and waits.
    """
    start = max(0, first - CONTEXT)
    end = min(size, first + LARGEST)
    limit = min(settled, end if end == size else end - CONTEXT)
    return Window(start, end, first, max(first, limit))


def releasable(content: bytes, *, last: bool = False) -> int:
    """How many bytes of ``content``, the end of what was judged, may leave.

    ``last``: nothing will follow, so that the last line needs no end.
    """
    cut = len(content) if last else _whole_lines(content)
    while (shorter := min(_before_open_key(content, cut, *pair) for pair in _BRACKETS)) < cut:
        cut = shorter
    return cut


def _whole_lines(content: bytes) -> int:
    end = content.rfind(b"\n") + 1
    return len(content) if len(content) - end > CONTEXT else end


def _before_open_key(content: bytes, cut: int, begin: bytes, end: bytes) -> int:
    """``cut``, or the start of the line in which a key begins that does not end before it."""
    region = max(0, cut - CONTEXT)
    found = content.find(begin, max(region, content.rfind(end, region, cut)), cut)
    return cut if found < 0 else content.rfind(b"\n", 0, found) + 1

"""Which bytes of a container its lane is shown: those that no stored member shows by itself.

Rules enforced here:

1. The bytes of a stored member go to the member's own lane; to the container's lane they are
   zeros, which cost next to nothing, but for a margin at either end of the member.
2. Every byte keeps its place: as many bytes are shown as there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lockgate.scan.source import READ_BYTES

#: Bytes at either end of a stored member that are shown twice, so that what crosses the border
#: is seen whole.
MARGIN_BYTES = 1 << 14
#: Shared, because fresh pages of zeros cost more than the zeros do.
_ZEROS = bytes(READ_BYTES)


class Shown:
    """Feeds a lane with the bytes of a stream, stored members blanked."""

    def __init__(self, feed: Callable[[bytes], None]) -> None:
        self._feed = feed
        self._blanking = False
        self._head = 0
        self._held = b""

    def take(self, piece: bytes) -> None:
        """Take the next bytes of the stream."""
        if not self._blanking:
            self._feed(piece)
            return
        head, piece = piece[: self._head], piece[self._head :]
        if head:
            self._head -= len(head)
            self._feed(head)
        kept = self._held + piece[-MARGIN_BYTES:]
        blank = len(self._held) + len(piece) - min(len(kept), MARGIN_BYTES)
        while blank:
            zeros = _ZEROS[:blank]
            self._feed(zeros)
            blank -= len(zeros)
        self._held = kept[-MARGIN_BYTES:]

    @contextmanager
    def blanked(self) -> Iterator[None]:
        """Within: the bytes taken belong to a stored member, which shows them by itself."""
        self._blanking, self._head = True, MARGIN_BYTES
        try:
            yield
        finally:
            self._blanking = False
            held, self._held = self._held, b""
            if held:
                self._feed(held)

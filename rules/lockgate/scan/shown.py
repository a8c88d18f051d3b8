"""Which bytes of a container its lane is shown: those that no member shows by itself.

Rules enforced here:

1. The bytes of a stored member go to the member's own lane; to the container's lane they are
   zeros, which cost next to nothing, but for a margin at either end of the member.
2. Packed bytes that a reader tells to be nothing else are zeros, too: what they stand for goes
   to the member's lane.
3. Every byte keeps its place: as many bytes are shown as there are.
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
    """Feeds a lane with the bytes of a stream, members blanked."""

    def __init__(self, feed: Callable[[bytes], None]) -> None:
        self._feed = feed
        self._blanking = False
        self._margin = 0
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
        behind = self._held + piece
        blank = max(0, len(behind) - self._margin)
        self._held = behind[blank:]
        while blank:
            zeros = _ZEROS[:blank]
            self._feed(zeros)
            blank -= len(zeros)

    @contextmanager
    def blanked(self, margin: int = MARGIN_BYTES) -> Iterator[None]:
        """Within: the bytes taken belong to a member, which shows them, or what they stand for.

        ``margin`` bytes at either end are shown all the same.
        """
        self._blanking, self._margin, self._head = True, margin, margin
        try:
            yield
        finally:
            self._blanking = False
            held, self._held = self._held, b""
            if held:
                self._feed(held)

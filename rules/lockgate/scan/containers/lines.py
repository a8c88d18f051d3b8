"""A stream read line by line.

Rule enforced here: a line is given in pieces of the longest length at most, so that text
without an end of line costs no memory.
"""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.scan.source import Stream

#: Longest line that is given in one piece (bytes).
LINE_BYTES = 1 << 16


class Lines:
    """Gives the lines of a stream, with a look ahead of one."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._lines: list[bytes] = []
        self._rest = b""

    def __iter__(self) -> Iterator[bytes]:
        while line := self.take():
            yield line

    def peek(self) -> bytes:
        """The next line with its end, empty at the end of the stream."""
        while not self._lines:
            piece = self._stream.read_some(LINE_BYTES)
            if not piece:
                if not self._rest:
                    return b""
                self._lines, self._rest = [self._rest], b""
                break
            lines = (self._rest + piece).splitlines(keepends=True)
            # What may go on in the next piece waits: text without an end, or CR before LF.
            waits = not lines[-1].endswith(b"\n") and len(lines[-1]) < LINE_BYTES
            self._rest = lines.pop() if waits else b""
            self._lines = lines[::-1]
        return self._lines[-1]

    def take(self) -> bytes:
        """The next line, consumed."""
        line = self.peek()
        if line:
            self._lines.pop()
        return line

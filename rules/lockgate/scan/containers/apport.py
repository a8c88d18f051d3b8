"""Crash reports of apport (``/var/crash/*.crash``): text fields, and files as packed base64.

The layout is that of apport's ``problem_report.py``: ``Key: value`` lines, continued by lines
that begin with a space; after ``Key: base64`` each such line is base64 of its own, and together
they are a gzip file (zlib in old versions, zstd in new ones).

Rules enforced here:

1. Every base64 field is a member, decoded as a stream; what it is packed with is told by content.
2. A line that is not base64 ends its member as damaged; the other fields go on.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from lockgate.scan.containers.container import Broken, Member, Problem
from lockgate.scan.report import GapReason
from lockgate.scan.source import Stream

#: Longest piece of a line that is looked at as one (bytes); a multiple of 4.
_PIECE = 1 << 14
_FIELD = re.compile(rb"([A-Za-z0-9_.-]{1,200}): base64\r?\n?")


@dataclass(frozen=True, slots=True)
class Apport:
    """An apport crash report."""

    name: str = "apport report"

    def recognises(self, head: bytes) -> bool:
        """The field that every report begins with."""
        return head.startswith(b"ProblemType: ")

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """Every field of type base64."""
        while line := _line(stream):
            field = _FIELD.fullmatch(line)
            if field is not None:
                yield Member(field[1], _decoded(stream))


def _line(stream: Stream) -> bytes:
    """The front of the next line, the whole line consumed; empty at the end."""
    front = piece = stream.read(_end_of_line(stream))
    while piece and not piece.endswith(b"\n"):
        piece = stream.read(_end_of_line(stream))
    return front


def _end_of_line(stream: Stream) -> int:
    """How much to read: to the end of the line, or one piece."""
    return stream.peek(_PIECE).find(b"\n") + 1 or _PIECE


def _decoded(stream: Stream) -> Iterator[bytes]:
    while stream.peek(1) == b" ":
        stream.skip(1)
        ended = False
        while not ended:
            piece = stream.read(_end_of_line(stream))
            ended = piece.endswith(b"\n")
            cut = not ended and len(piece) < _PIECE
            text = piece[: len(piece) // 4 * 4] if cut else piece.rstrip(b"\r\n")
            try:
                yield base64.b64decode(text, validate=True)
            except binascii.Error:
                if not ended:
                    _line(stream)
                raise Broken(GapReason.DAMAGED, "a line is not base64") from None
            if cut:
                raise Broken(GapReason.TRUNCATED, "the report ends inside a line")

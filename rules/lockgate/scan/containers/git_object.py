"""What is inside a loose git object (git-hash-object(1)): kind, length, and the content.

Rule enforced here: the content alone is the member, so that what is packed in it is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lockgate.scan.containers.container import Member, Problem
from lockgate.scan.report import GapReason
from lockgate.scan.source import Stream

_HEADER = re.compile(rb"(blob|tree|commit|tag) ([0-9]{1,18})\0")


@dataclass(frozen=True, slots=True)
class GitObject:
    """An unpacked loose object."""

    name: str = "git object"

    def recognises(self, head: bytes) -> bool:
        """The header."""
        return _HEADER.match(head) is not None

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """The content."""
        header = _HEADER.match(stream.peek(32))
        if header is None:
            return
        stream.skip(header.end())
        size = int(header[2])
        yield Member(header[1], stream.take(size), stored_at=header.end(), size=size)
        stop = header.end() + size
        stream.skip(stop - stream.position)
        if stream.position < stop:
            missing = stop - stream.position
            detail = "git object ends early"
            yield Problem(GapReason.TRUNCATED, detail, None, stream.position, missing)

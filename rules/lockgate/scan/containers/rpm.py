"""rpm packages (RPM file format version 3 and 4): lead, two headers, and a packed payload.

Rule enforced here: the payload is what stands behind the headers; what packs it and what it
holds are told by its content like that of any member.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lockgate.scan.containers.container import Broken, Member, Problem
from lockgate.scan.report import GapReason
from lockgate.scan.source import Stream

_LEAD_BYTES = 96
_HEADER_MAGIC = b"\x8e\xad\xe8\x01"


@dataclass(frozen=True, slots=True)
class Rpm:
    """An rpm package."""

    name: str = "rpm"

    def recognises(self, head: bytes) -> bool:
        """The magic of the lead."""
        return head.startswith(b"\xed\xab\xee\xdb")

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """The payload."""
        stream.skip(_LEAD_BYTES)
        _pass_header(stream)
        stream.skip(-stream.position % 8)
        _pass_header(stream)
        if not stream.peek(1):
            yield Problem(GapReason.TRUNCATED, "rpm without its payload", None, stream.position)
        yield Member(b"payload", iter(stream.read_some, b""), stored_at=stream.position)


def _pass_header(stream: Stream) -> None:
    start = stream.read(16)
    if len(start) < 16 or not start.startswith(_HEADER_MAGIC):
        raise Broken(GapReason.DAMAGED, "rpm header is broken")
    entries, content = (int.from_bytes(start[i : i + 4], "big") for i in (8, 12))
    stream.skip(16 * entries + content)

"""ar archives (ar(5)), Debian packages among them (deb(5)): System V and BSD long names.

Rules enforced here:

1. Names come from the header, from the table of long names (System V), or from the front of the
   content (BSD).
2. A thin archive holds no content of its members: a gap.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lockgate.scan.containers.container import Member, Problem
from lockgate.scan.report import GapReason
from lockgate.scan.source import Stream

_MAGIC, _THIN = b"!<arch>\n", b"!<thin>\n"
#: Longest table of names, and longest BSD name, that is read (bytes).
_NAMES_BYTES = 1 << 20
_BSD_NAME_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Ar:
    """An ar archive."""

    name: str = "ar"

    def recognises(self, head: bytes) -> bool:
        """The magic line."""
        return head.startswith((_MAGIC, _THIN))

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """Every member, in order."""
        if stream.read(8) == _THIN:
            yield Problem(GapReason.UNSUPPORTED, "thin ar archive: its members are elsewhere")
            return
        names = b""
        while header := stream.read(60):
            start = stream.position
            size = _size(header)
            if size is None:
                reason = GapReason.DAMAGED if len(header) == 60 else GapReason.TRUNCATED
                yield Problem(reason, "ar header is broken", None, start - len(header))
                return
            if header.startswith(b"// ") and size <= _NAMES_BYTES:
                names = stream.peek(size)[:size]
            yield from _content(stream, header[:16], size, names)
            stream.skip(start + size + size % 2 - stream.position)


def _size(header: bytes) -> int | None:
    digits = header[48:58].strip()
    return int(digits) if header[58:60] == b"`\n" and digits.isdigit() else None


def _content(stream: Stream, field: bytes, size: int, names: bytes) -> Iterator[Member | Problem]:
    name = field.rstrip(b" ")
    if name.startswith(b"#1/") and name[3:].isdigit() and int(name[3:]) <= _BSD_NAME_BYTES:
        length = min(int(name[3:]), size)
        name, size = stream.read(length).rstrip(b"\0"), size - length
    elif name[:1] == b"/" and name[1:].isdigit():
        name = names[int(name[1:]) :].split(b"\n")[0].rstrip(b"/")
    elif name not in {b"/", b"//"}:
        name = name.rstrip(b"/")
    start = stream.position
    yield Member(name, stream.take(size), stored_at=start, size=size)
    stream.skip(start + size - stream.position)
    if stream.position < start + size:
        missing = start + size - stream.position
        yield Problem(GapReason.TRUNCATED, "ar member ends early", name, stream.position, missing)

"""VirtualBox disks (VDI header version 1.1): one map of blocks of one size.

Rule enforced here: a differencing image holds only what changed, and a block behind the end of
the file is missing: both are gaps.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from lockgate.scan.containers.container import Member, Problem, require_access
from lockgate.scan.containers.extents import ClusterAccess
from lockgate.scan.report import GapReason
from lockgate.scan.source import RandomAccess, Stream

_SIGNATURE, _SIGNATURE_AT = b"\x7f\x10\xda\xbe", 0x40
#: From here on a block was never written, or reads as zeros.
_ABSENT = 0xFFFFFFFE
_DIFFERENCING = 4
_PROBLEMS = 16


@dataclass(frozen=True, slots=True)
class Vdi:
    """A disk image."""

    name: str = "vdi"

    def recognises(self, head: bytes) -> bool:
        """The signature behind the text line."""
        return head[_SIGNATURE_AT : _SIGNATURE_AT + 4] == _SIGNATURE and head.startswith(b"<<<")

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """The virtual disk."""
        access = require_access(stream, self.name)
        header = access.read_at(0, 0x180)
        if len(header) < 0x180:
            yield Problem(GapReason.TRUNCATED, "vdi header ends early")
            return
        (kind,) = struct.unpack_from("<I", header, 0x4C)
        table, content = struct.unpack_from("<II", header, 0x154)
        size, block = struct.unpack_from("<QI", header, 0x170)
        if not 512 <= block <= 64 << 20:
            yield Problem(GapReason.DAMAGED, "vdi header is broken")
            return
        if kind == _DIFFERENCING:
            yield Problem(GapReason.UNREADABLE, "vdi parent image is elsewhere")
        blocks = _Blocks(access, table, content, block)
        disk = ClusterAccess(access, size, block, blocks.lookup)
        yield Member(b"disk", disk.chunks(), access=disk)
        yield from blocks.problems
        stream.skip(access.size - stream.position)


@dataclass(slots=True)
class _Blocks:
    """Finds the blocks of a disk; what is broken becomes a problem and reads as zeros."""

    access: RandomAccess
    table: int
    content: int
    block: int
    problems: list[Problem] = field(default_factory=list)

    def lookup(self, index: int) -> int | None:
        """As :class:`ClusterAccess` asks."""
        raw = self.access.read_at(self.table + 4 * index, 4)
        number = int.from_bytes(raw, "little")
        if len(raw) == 4 and number >= _ABSENT:
            return None
        place = self.content + number * self.block
        if len(raw) < 4 or place >= self.access.size:
            if len(self.problems) < _PROBLEMS:
                detail = "block behind the end of the file"
                self.problems.append(Problem(GapReason.TRUNCATED, detail, b"disk", place))
            return None
        return place

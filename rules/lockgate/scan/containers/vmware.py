"""VMware's suspended states and snapshots (``.vmss``, ``.vmsn``): groups of tags, one of memory.

The layout is that which volatility's ``vmware`` layers read: a header of 12 bytes, 80 bytes for
each group, and in the group ``memory`` tags of flags, name, indices and content. A ``.vmem`` file
beside them is plain memory, without any header, and needs no reader.

Rules enforced here:

1. Memory that stands in a ``.vmem`` file of its own is not missing from this one: no gap.
2. Regions tell physical addresses of pages of the content ``Memory``; without regions the first
   page is at address 0. Page tables are not followed.
3. Tags are followed one by one; a tag that leads out of the file, or too many, is a gap.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from lockgate.scan.containers.container import Problem
from lockgate.scan.containers.dump import NO_MEMORY, Mapped, Reach, bounded
from lockgate.scan.limits import Limits
from lockgate.scan.memory import MemoryMap, Region
from lockgate.scan.report import GapReason
from lockgate.scan.source import Stream

_MAGICS = (b"\xd0\xbe\xd2\xbe", b"\xd1\xba\xd1\xba", b"\xd2\xbe\xd2\xbe", b"\xd3\xbe\xd3\xbe")
_HEADER = struct.Struct("<4sII")
_GROUP = struct.Struct("<64sQQ")
_MOST_GROUPS = 4096
_PAGE = 4096
#: Content lengths that say that the true length follows.
_LONG = frozenset({62, 63})
#: The longest tag without its content: flags, name, three indices, two lengths, padding.
_TAG_BYTES = 2 + 255 + 12 + 16 + 2


@dataclass(frozen=True, slots=True)
class _Tag:
    """One tag: name, indices, its content's place and length, and the next tag's place."""

    name: bytes
    indices: tuple[int, ...]
    place: int
    length: int

    @property
    def stop(self) -> int:
        """Where the next tag stands."""
        return self.place + self.length


@dataclass(slots=True)
class _Memory:
    """What the tags of the group ``memory`` say."""

    place: int | None = None
    length: int = 0
    #: By region: ``regionPPN``, ``regionPageNum`` and ``regionSize`` (pages).
    numbers: dict[bytes, dict[int, int]] = field(default_factory=dict)

    def regions(self) -> tuple[Region, ...]:
        """The regions of the content."""
        if self.place is None:
            return ()
        place = self.place
        frames, pages, sizes = (
            self.numbers.get(name, {}) for name in (b"regionPPN", b"regionPageNum", b"regionSize")
        )
        listed = sorted(frames.keys() & pages.keys() & sizes.keys())
        if not listed:
            return (Region(0, place, self.length),)
        return tuple(
            Region(_PAGE * frames[i], place + _PAGE * pages[i], _PAGE * sizes[i]) for i in listed
        )


@dataclass(frozen=True, slots=True)
class VmwareState:
    """A suspended state or snapshot."""

    name: str = "VMware state"

    def recognises(self, head: bytes) -> bool:
        """One of the four magics."""
        return head.startswith(_MAGICS) and len(head) >= _HEADER.size

    def read_map(self, stream: Stream, limits: Limits) -> Mapped:
        """The regions of the group ``memory``, if the state holds memory."""
        reach, problems = Reach(stream), list[Problem]()
        magic, _, count = _HEADER.unpack(reach.read(0, _HEADER.size))
        count = bounded(count, _MOST_GROUPS, "groups", problems)
        table = reach.read(_HEADER.size, count * _GROUP.size)
        if len(table) < count * _GROUP.size:
            problems.append(reach.short("groups", _HEADER.size))
        for name, place, _ in _GROUP.iter_unpack(table[: len(table) // _GROUP.size * _GROUP.size]):
            if name.rstrip(b"\0") == b"memory":
                wide = magic[0] & 0xF != 0
                regions = _read_memory(reach, place, limits, problems, wide=wide).regions()
                return MemoryMap(regions, physical=True), problems
        return NO_MEMORY, problems


def _read_memory(
    reach: Reach, place: int, limits: Limits, problems: list[Problem], *, wide: bool
) -> _Memory:
    memory = _Memory()
    for _ in range(3 * limits.regions):
        front = reach.read(place, _TAG_BYTES)
        if front[:2] == b"\0\0":
            return memory
        tag = _tag(front, place, wide=wide)
        if tag is None:
            problems.append(reach.short("tags of the memory", place))
            return memory
        if tag.name == b"Memory":
            memory.place, memory.length = tag.place, tag.length
        elif len(tag.indices) == 1 and tag.length <= 8:
            number = int.from_bytes(reach.read(tag.place, tag.length), "little")
            memory.numbers.setdefault(tag.name, {})[tag.indices[0]] = number
        place = tag.stop
    problems.append(Problem(GapReason.MEMBER_LIMIT, f"more than {limits.regions} regions"))
    return memory


def _tag(front: bytes, place: int, *, wide: bool) -> _Tag | None:
    """The tag that starts with ``front`` at ``place``, None when it is cut."""
    if len(front) < 2:
        return None
    flags, name_bytes = front[0], front[1]
    at = 2 + name_bytes + 4 * (flags >> 6)
    indices = front[2 + name_bytes : at]
    length = flags & 0x3F
    if length in _LONG:
        form = struct.Struct("<QQH" if wide else "<IIH")
        if len(front) < at + form.size:
            return None
        length, _, padding = form.unpack_from(front, at)
        at += form.size + padding
    elif len(front) < at:
        return None
    numbers = struct.unpack(f"<{len(indices) // 4}I", indices)
    return _Tag(front[2 : 2 + name_bytes], numbers, place + at, length)

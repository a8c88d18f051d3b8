"""One walk through a top-level file and everything inside it, in order.

Rules enforced here:

1. Every byte of every member is shown to a lane, container or not, those of a stored member
   to the member's own; members are unpacked as streams, never to disk, and never held whole.
2. Two walks of the same bytes meet the same members in the same order (``Place.number``).
3. Bytes behind the end of an archive, and an archive behind other bytes, are scanned raw and
   are a gap: some program will unpack them.
4. Depth, members, unpacked bytes, ratio and time are bounded; each bound reached is a gap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Protocol

from lockgate.scan.containers import ARCHIVES, DUMPS
from lockgate.scan.containers.container import Archive, Broken, Member, Origin, Problem
from lockgate.scan.containers.unread import unread_format
from lockgate.scan.containers.zip import TAIL_BYTES, ZipBehind, ends_in_archive
from lockgate.scan.gaps import Gaps
from lockgate.scan.limits import Limits, require_time
from lockgate.scan.memory import MemoryMap
from lockgate.scan.names import escape_name
from lockgate.scan.report import Gap, GapReason
from lockgate.scan.shown import Shown
from lockgate.scan.source import ZEROS, Budget, Stream

#: As much of a member's front as any format is told by: ISO 9660 by its first descriptor.
_HEAD_BYTES = 0x8800


@dataclass(frozen=True, slots=True)
class Place:
    """One member as the walk meets it: its number, its name, its memory map if it is a dump."""

    number: int
    member: str | None
    memory: MemoryMap | None = None
    origin: Origin | None = None

    def offset_of(self, offset: int) -> int:
        """The offset in the member of the byte that is shown at ``offset``."""
        return offset if self.origin is None else self.origin.offset_of(offset)


@dataclass(frozen=True, slots=True)
class Stored:
    """A member's bytes also stand in its container, from ``offset`` on."""

    container: str | None
    offset: int
    member: str


class Lane(Protocol):
    """What looks at the bytes of one member."""

    def feed(self, piece: bytes) -> None:
        """Take the next bytes."""
        ...

    def close(self) -> None:
        """The member has ended."""
        ...


@dataclass(frozen=True, slots=True)
class _Opened:
    """A member that is being looked through."""

    stream: Stream
    shown: Shown
    place: Place
    depth: int

    @property
    def member(self) -> str | None:
        """The member's name."""
        return self.place.member


class Walk:
    """One pass; gathers gaps, and where stored members stand in their containers."""

    def __init__(self, limits: Limits, deadline: float, open_lane: Callable[[Place], Lane]) -> None:
        self._limits = limits
        self._deadline = deadline
        self._open_lane = open_lane
        self._members = 0
        self._unpacked = 0
        self._holes = 0
        self._file = Stream(iter(()))
        self._budget = Budget(limits.memory_bytes, limits.held_bytes)
        self.gaps = Gaps()
        self.stored: list[Stored] = []
        self.bytes_seen = 0
        self.dumps = 0

    def run(self, stream: Stream) -> None:
        """Walk through everything that ``stream`` holds.

        Raises:
            OutOfTimeError: the deadline passed; what was seen so far stands.
        """
        stream.budget = self._budget
        self._file = stream
        self._visit(stream, Place(0, None), 0)

    def _visit(self, stream: Stream, place: Place, depth: int) -> None:
        head = stream.peek(_HEAD_BYTES)
        if place.memory is None:
            place = replace(place, memory=self._memory(stream, head, place.member))
        self.dumps += place.memory is not None
        lane = self._open_lane(place)
        self._members += 1
        shown = Shown(lane.feed)
        stream.set_tap(self._count(shown))
        try:
            self._visit_members(_Opened(stream, shown, place, depth), head)
            stream.drain()
        finally:
            stream.set_tap(None)
            lane.close()
        memory = place.memory
        if memory is not None and memory.stop > stream.position:
            missing = memory.stop - stream.position
            detail = "the dump ends before its regions do"
            self._gap(GapReason.TRUNCATED, place.member, detail, stream.position, missing)

    def _count(self, shown: Shown) -> Callable[[bytes], None]:
        def tap(piece: bytes) -> None:
            require_time(self._deadline)
            self.bytes_seen += len(piece)
            shown.take(piece)

        return tap

    def _memory(self, stream: Stream, head: bytes, member: str | None) -> MemoryMap | None:
        dump = next((d for d in DUMPS if d.recognises(head)), None)
        if dump is None:
            return None
        memory, problems = dump.read_map(stream, self._limits)
        for problem in problems:
            self._problem(problem, member)
        return memory

    def _visit_members(self, outer: _Opened, head: bytes) -> None:
        if outer.place.memory is not None:
            self._pass_raw(outer, None)
            return
        archive = _told_by(head, outer.stream)
        if archive is None:
            self._pass_raw(outer, unread_format(head))
        elif outer.depth >= self._limits.depth:
            detail = f"{archive.name} inside {outer.depth} containers"
            self._gap(GapReason.DEPTH_LIMIT, outer.member, detail)
        else:
            self._unpack(archive, outer)

    def _pass_raw(self, outer: _Opened, unread: Problem | None) -> None:
        tail = b""
        while piece := outer.stream.read_some():
            tail = (tail + piece[-TAIL_BYTES:])[-TAIL_BYTES:]
        if unread is None and ends_in_archive(tail):
            detail = "zip behind other bytes: scanned raw only"
            unread = Problem(GapReason.UNSUPPORTED, detail)
        if unread is not None:
            self._problem(unread, outer.member)

    def _pass_rest(self, archive: Archive, outer: _Opened) -> None:
        """Pass what stands behind an archive that was read to its end; zeros are padding."""
        start, busy = outer.stream.position, False
        while piece := outer.stream.read_some():
            busy = busy or piece.count(0) < len(piece)
        if busy:
            detail = f"bytes behind the end of the {archive.name}: scanned raw only"
            length = outer.stream.position - start
            self._gap(GapReason.UNSUPPORTED, outer.member, detail, start, length)

    def _unpack(self, archive: Archive, outer: _Opened) -> None:
        problems = 0
        try:
            for item in archive.members(outer.stream):
                if isinstance(item, Problem):
                    problems += 1
                    self._problem(item, outer.member)
                elif self._members >= self._limits.members:
                    detail = f"more than {self._members} members"
                    self._gap(GapReason.MEMBER_LIMIT, outer.member, detail)
                    return
                else:
                    problems += self._visit_member(item, outer)
        except Broken as broken:
            self._gap(broken.reason, outer.member, broken.detail, outer.stream.position)
            return
        if not problems:
            self._pass_rest(archive, outer)

    def _visit_member(self, item: Member, outer: _Opened) -> bool:
        """Walk through one member; returns whether it was cut short."""
        name = inner_name(outer.member, item.name)
        shown_as = name if item.origin is None else outer.member
        place = Place(self._members, shown_as, item.memory, item.origin)
        if item.stored_at is None:
            chunks = self._bounded(item.chunks, outer.stream)
            inner = Stream(chunks, item.access, self._budget)
            with outer.shown.blanked(0) if item.packed else nullcontext():
                return self._visit_inner(inner, place, outer)
        self.stored.append(Stored(outer.member, item.stored_at, name))
        access = None
        if item.size is not None:
            access = outer.stream.slice_access(item.stored_at, item.size)
        with outer.shown.blanked():
            return self._visit_inner(Stream(item.chunks, access, self._budget), place, outer)

    def _visit_inner(self, inner: Stream, place: Place, outer: _Opened) -> bool:
        try:
            self._visit(inner, place, outer.depth + 1)
        except Broken as broken:
            self._gap(broken.reason, place.member, broken.detail, inner.position)
            return True
        finally:
            inner.release()
        return False

    def _bounded(self, chunks: Iterator[bytes], packed: Stream) -> Iterator[bytes]:
        """``chunks`` of a packed member, as long as the limits on unpacking hold.

        Holes are counted apart. A reader at random consumes nothing while it unpacks: it is
        measured against the whole container.
        """
        start, given = packed.position, 0
        for chunk in chunks:
            if chunk is ZEROS:
                self._holes += len(chunk)
                if self._holes > self._limits.hole_bytes:
                    raise Broken(GapReason.SIZE_LIMIT, "holes beyond the limit")
                yield chunk
                continue
            given += len(chunk)
            self._unpacked += len(chunk)
            if self._unpacked > self._limits.unpacked_bytes:
                raise Broken(GapReason.SIZE_LIMIT, "unpacked bytes beyond the limit")
            if self._swells(given, (packed.position - start) or packed.known_size):
                raise Broken(GapReason.SIZE_LIMIT, "unpacks to more than the allowed ratio")
            if self._swells(self._unpacked, self._file.known_size or self._file.position):
                raise Broken(
                    GapReason.SIZE_LIMIT, "the file unpacks to more than the allowed ratio"
                )
            yield chunk

    def _swells(self, unpacked: int, packed: int) -> bool:
        return unpacked > max(self._limits.ratio_free_bytes, self._limits.ratio * max(1, packed))

    def _problem(self, problem: Problem, outer: str | None) -> None:
        member = outer if problem.member is None else inner_name(outer, problem.member)
        self._gap(problem.reason, member, problem.detail, problem.offset, problem.length)

    def _gap(
        self,
        reason: GapReason,
        member: str | None,
        detail: str,
        offset: int | None = None,
        length: int | None = None,
    ) -> None:
        self.gaps.add(Gap(reason, member, offset, length, detail))


def _told_by(head: bytes, stream: Stream) -> Archive | None:
    """The format of a member, by its head, or by its tail where that can be read."""
    archive = next((a for a in ARCHIVES if a.recognises(head)), None)
    if archive is None and unread_format(head) is None and (access := stream.access) is not None:
        tail = access.read_at(max(0, access.size - TAIL_BYTES), TAIL_BYTES)
        return ZipBehind() if ends_in_archive(tail) else None
    return archive


def inner_name(outer: str | None, name: bytes) -> str:
    """The member's name as ``outer!inner``, escaped."""
    escaped = escape_name(name)
    return escaped if outer is None else f"{outer}!{escaped}"

"""Java heap dumps (HPROF 1.0.1 and 1.0.2, Android's 1.0.3): arrays of numbers, moved to words.

The layout is that of ``hprof_b_spec.h`` and of HotSpot's ``heapDumper.cpp``. Objects follow one
another at any offset, while numbers are searched for in aligned words.

Rules enforced here:

1. Arrays of bytes, ints and longs that may hold a number are shown a second time, each alone
   among zeros and moved down by less than eight bytes, to a multiple of eight. Arrays of ASCII
   are text, which the raw scan reads, unless they have the size of a symmetric key.
2. Where an array was moved from is kept, so that a report tells offsets of the dump.
3. No count is trusted: an array that leaves its segment, or an unknown record, is damage; what
   follows is read from the next record on that looks like an array of numbers.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from lockgate.scan.containers.container import Broken, Member, Problem
from lockgate.scan.containers.dump import NO_MEMORY
from lockgate.scan.containers.hprof_records import ARRAY, Sizes, moved_array
from lockgate.scan.limits import Limits
from lockgate.scan.report import GapReason
from lockgate.scan.source import READ_BYTES, ZEROS, Stream

_MAGICS = tuple(b"JAVA PROFILE 1.0.%d\0" % n for n in (1, 2, 3))
_SEGMENTS = frozenset({0x0C, 0x1C})
_OTHERS = frozenset({*range(0x01, 0x08), 0x0A, 0x0B, 0x0D, 0x0E, 0x2C})
_RECORD_BYTES = 9
#: The longest record but an array (bytes): a class with all the fields it may have.
_LONGEST_BYTES = 4 << 20
#: Places of damage after which reading goes on.
_MOST_DAMAGE = 1000


@dataclass(slots=True)
class Moved:
    """Where moved arrays came from: for each its place in the image plus the bytes it moved."""

    most: int
    _moves: array[int] = field(default_factory=lambda: array("Q"), repr=False)

    def add(self, start: int) -> int | None:
        """Note the array at ``start`` of the dump; how far it moves, None when there is no room."""
        if len(self._moves) >= self.most:
            return None
        self._moves.append(start)
        return start % 8

    def offset_of(self, offset: int) -> int:
        """The offset in the dump of the byte shown at ``offset``."""
        index = bisect_right(self._moves, offset | 7) - 1
        return offset if index < 0 else offset + self._moves[index] % 8


@dataclass(frozen=True, slots=True)
class Hprof:
    """A Java heap dump."""

    arrays: int = Limits().heap_arrays
    name: str = "HPROF"

    def recognises(self, head: bytes) -> bool:
        """The versions that exist."""
        return head.startswith(_MAGICS)

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """One image of the dump in which only arrays of numbers stand, moved to words."""
        magic = next(m for m in _MAGICS if stream.peek(len(m)) == m)
        width = int.from_bytes(stream.peek(len(magic) + 4)[-4:], "big")
        if width not in {4, 8}:
            yield Problem(GapReason.DAMAGED, f"object identifiers of {width} bytes")
            return
        image = _Image(stream, Sizes.of(width), Moved(self.arrays))
        yield Member(b"arrays", image.chunks(len(magic) + 12), memory=NO_MEMORY, origin=image.moved)
        if image.is_full:
            detail = f"more than {self.arrays} arrays of numbers"
            yield Problem(GapReason.BUDGET, detail)
        if image.damage:
            detail = f"records that make no sense, at {len(image.damage)} places"
            yield Problem(GapReason.DAMAGED, detail, None, image.damage[0])
        stream.drain()


@dataclass(slots=True)
class _Image:
    """The image of one dump: as long as the dump, made while the dump is read."""

    stream: Stream
    sizes: Sizes
    moved: Moved
    is_full: bool = False
    #: Where records made no sense.
    damage: list[int] = field(default_factory=list)

    def chunks(self, header_bytes: int) -> Iterator[bytes]:
        """The image in pieces.

        Raises:
            Broken: the dump is cut short, or damaged beyond hope.
        """
        yield from self._pass(header_bytes)
        while head := self.stream.peek(_RECORD_BYTES):
            length = int.from_bytes(head[5:], "big")
            if head[0] not in _SEGMENTS | _OTHERS:
                yield from self._segment(1 << 63, to_end=True)
                return
            yield from self._pass(_RECORD_BYTES)
            if head[0] in _SEGMENTS:
                yield from self._segment(length)
            else:
                yield from self._pass(length)

    def _pass(self, count: int) -> Iterator[bytes]:
        """Zeros for ``count`` bytes that hold no array of numbers."""
        while count:
            step = min(count, READ_BYTES)
            if self.stream.skip(step) < step:
                raise Broken(GapReason.TRUNCATED, "the dump ends inside a record")
            yield ZEROS[:step]
            count -= step

    def _segment(self, left: int, *, to_end: bool = False) -> Iterator[bytes]:
        """The image of a segment of ``left`` bytes, or of all that is left of the dump."""
        while left:
            window = self.stream.peek(min(left, READ_BYTES))
            if not window and to_end:
                return
            before = self.stream.position
            if piece := self._whole_records(window):
                self.stream.skip(len(piece))
                yield piece
            else:
                yield from self._odd_record(left)
            left -= self.stream.position - before

    def _odd_record(self, left: int) -> Iterator[bytes]:
        """The image of a record that is long, cut short, or none."""
        front = self.stream.peek(min(left, _LONGEST_BYTES))
        if len(front) < min(left, self.sizes.array):
            raise Broken(GapReason.TRUNCATED, "the dump ends inside a segment")
        stop = self.sizes.end_of(front, 0)
        if stop is None or stop > left:
            yield from self._to_next_array(left)
        else:
            yield from self._long_record(front[0], stop)

    def _whole_records(self, window: bytes) -> bytes:
        """The image of all records that lie in ``window`` whole."""
        image = bytearray(len(window))
        base, place, end_of, heads = self.stream.position, 0, self.sizes.end_of, self.sizes.array
        while place < len(window):
            stop = end_of(window, place)
            if stop is None or stop > len(window):
                break
            if window[place] == ARRAY:
                start = place + heads
                content = moved_array(window, start, stop)
                if content:
                    self._show(image, start, base, content)
            place = stop
        return bytes(memoryview(image)[:place])

    def _show(self, image: bytearray, start: int, base: int, content: bytes) -> None:
        shift = self.moved.add(base + start)
        if shift is None:
            self.is_full = True
            return
        image[start - shift : start - shift + len(content)] = content

    def _to_next_array(self, left: int) -> Iterator[bytes]:
        """Zeros up to what looks like an array of numbers, behind a record that is none."""
        self.damage.append(self.stream.position)
        if len(self.damage) > _MOST_DAMAGE:
            raise Broken(GapReason.DAMAGED, "too many records that make no sense")
        least = 1
        while left and (window := self.stream.peek(min(left, READ_BYTES))):
            found = self.sizes.likely_array(window, least)
            step = max(1, len(window) - self.sizes.array) if found is None else found
            yield from self._pass(step)
            if found is not None:
                return
            left, least = left - step, 0

    def _long_record(self, tag: int, stop: int) -> Iterator[bytes]:
        """The image of one record that is longer than a window, or reaches beyond the end."""
        start = self.sizes.array
        if tag != ARRAY:
            yield from self._pass(stop)
            return
        shift = self.moved.add(self.stream.position + start)
        if shift is None:
            self.is_full = True
            yield from self._pass(stop)
            return
        self.stream.skip(start)
        yield bytes(start - shift)
        given = 0
        for piece in self.stream.take(stop - start):
            given += len(piece)
            yield piece
        if given < stop - start:
            raise Broken(GapReason.TRUNCATED, "the dump ends inside an array")
        yield bytes(shift)

"""Members that stand in pieces of their container, and what maps a disk onto a file.

Rules enforced here:

1. A member in one piece is read in order where the stream has not yet passed it, so that its
   bytes are scanned once; any other is read at random and counts as unpacked, so that members
   that share their bytes end at the limits of unpacking.
2. Holes are the one shared block of zeros (:data:`lockgate.scan.source.ZEROS`), which costs
   next to nothing and counts as nothing unpacked.
3. A piece outside the container reads short; the reader of the format says what is missing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from lockgate.scan.containers.container import Member, Problem
from lockgate.scan.report import GapReason
from lockgate.scan.source import READ_BYTES, ZEROS, RandomAccess, SliceAccess, Stream, zeros

#: Bytes of unpacked clusters that one disk image keeps, two clusters at least.
_KEPT_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Extent:
    """``length`` bytes of a member at ``start`` of its container; ``start`` None is a hole."""

    start: int | None
    length: int


class ExtentAccess:
    """The bytes of extents that follow one another, as one file."""

    def __init__(self, outer: RandomAccess, extents: tuple[Extent, ...], size: int) -> None:
        self._outer = outer
        self._extents = extents
        self._firsts = [0, *accumulate(e.length for e in extents)]
        self.size = min(size, self._firsts[-1])

    def read_at(self, offset: int, count: int) -> bytes:
        """As :class:`RandomAccess` says."""
        pieces = []
        stop = min(offset + count, self.size)
        while 0 <= offset < stop:
            index = bisect_right(self._firsts, offset) - 1
            piece = self._piece(index, offset, stop)
            if not piece:
                break
            pieces.append(piece)
            offset += len(piece)
        return b"".join(pieces)

    def chunks(self) -> Iterator[bytes]:
        """All bytes in order, as far as the container holds them."""
        offset = 0
        while offset < self.size:
            index = bisect_right(self._firsts, offset) - 1
            piece = self._piece(index, offset, min(self.size, offset + READ_BYTES))
            if not piece:
                return
            yield piece
            offset += len(piece)

    def _piece(self, index: int, offset: int, stop: int) -> bytes:
        extent = self._extents[index]
        inside = offset - self._firsts[index]
        count = min(stop - offset, extent.length - inside)
        if extent.start is None:
            return ZEROS if count >= READ_BYTES else ZEROS[:count]
        return self._outer.read_at(extent.start + inside, count)


def chunks_of(access: RandomAccess) -> Iterator[bytes]:
    """All bytes in order."""
    offset = 0
    while piece := access.read_at(offset, READ_BYTES):
        yield piece
        offset += len(piece)


def placed_member(
    name: bytes, stream: Stream, access: RandomAccess, extents: tuple[Extent, ...], size: int
) -> Iterator[Member | Problem]:
    """The member that stands at ``extents``, and a problem where the container ends before it."""
    start = extents[0].start if len(extents) == 1 and extents[0].length >= size else None
    if start is None:
        spread = ExtentAccess(access, extents, size)
        yield Member(name, spread.chunks(), access=spread)
    elif stream.position <= start:
        stream.skip(start - stream.position)
        yield Member(name, stream.take(size), stored_at=start, size=size)
    else:
        part = SliceAccess(access, start, size)
        yield Member(name, chunks_of(part), access=part)
    stop = max((e.start + e.length for e in extents if e.start is not None), default=0)
    if start is not None:
        stop = start + size
    if stop > access.size:
        detail = "member reaches behind the end of its container"
        yield Problem(GapReason.TRUNCATED, detail, name, access.size, stop - access.size)


class ClusterAccess:
    """A virtual disk made of clusters of one size, each looked up in the image's tables.

    ``lookup(index)`` gives the place of a cluster that stands as it is, None for a hole, or its
    unpacked bytes.
    """

    def __init__(
        self,
        outer: RandomAccess,
        size: int,
        cluster_bytes: int,
        lookup: Callable[[int], int | bytes | None],
    ) -> None:
        self._outer = outer
        self._cluster_bytes = cluster_bytes
        self._lookup = lookup
        self._most_kept = max(2, _KEPT_BYTES // cluster_bytes)
        self._kept: OrderedDict[int, int | bytes | None] = OrderedDict()
        self.size = size

    def read_at(self, offset: int, count: int) -> bytes:
        """As :class:`RandomAccess` says."""
        pieces = []
        stop = min(offset + count, self.size)
        while 0 <= offset < stop:
            index, inside = divmod(offset, self._cluster_bytes)
            take = min(stop - offset, self._cluster_bytes - inside)
            pieces.append(self._read(self._cluster(index), inside, take))
            offset += take
        return b"".join(pieces)

    def chunks(self) -> Iterator[bytes]:
        """All bytes in order; runs of holes as shared zeros."""
        clusters = -(-self.size // self._cluster_bytes)
        per_chunk = max(1, READ_BYTES // self._cluster_bytes)
        for first in range(0, clusters, per_chunk):
            start = first * self._cluster_bytes
            length = min(per_chunk * self._cluster_bytes, self.size - start)
            group = range(first, min(first + per_chunk, clusters))
            if all(self._cluster(index) is None for index in group):
                yield from zeros(length)
            else:
                yield self.read_at(start, length)

    def _cluster(self, index: int) -> int | bytes | None:
        if index in self._kept:
            self._kept.move_to_end(index)
            return self._kept[index]
        found = self._lookup(index)
        self._kept[index] = found
        if len(self._kept) > self._most_kept:
            self._kept.popitem(last=False)
        return found

    def _read(self, cluster: int | bytes | None, inside: int, count: int) -> bytes:
        if cluster is None:
            return bytes(count)
        if isinstance(cluster, bytes):
            return cluster[inside : inside + count].ljust(count, b"\0")
        return self._outer.read_at(cluster + inside, count).ljust(count, b"\0")

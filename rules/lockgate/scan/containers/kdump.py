"""kdump-compressed images of a machine (makedumpfile, QEMU, diskdump): physical pages, packed.

The layout is that of makedumpfile's ``IMPLEMENTATION`` and ``diskdump_mod.h``: a header block,
``sub_hdr_size`` blocks of sub header, two bitmaps (frames that exist, frames that are dumped),
and for each dumped frame a descriptor of 24 bytes: offset, size, flags, page flags.

Rules enforced here:

1. Pages follow one another in the unpacked member as their frames do; addresses are physical,
   page tables are not followed. Frames left out on purpose are no gap.
2. A page that is not there (an incomplete dump), does not unpack, or needs an unknown method is
   zeros, and a gap says how many there are.
3. Descriptors and pages are read in pieces; memory is bounded by the bitmap. A packed image that
   is too large to be held is read forwards: its headers and descriptors are held, pages come in
   the order in which they are written, and those in front (zeros) are kept.
4. Written for another byte order, or with 32-bit headers: told by which of the four layouts
   makes sense.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from lockgate.scan.containers.container import Broken, Member, Problem
from lockgate.scan.containers.kdump_pages import PageReader
from lockgate.scan.limits import Limits
from lockgate.scan.memory import PageMap
from lockgate.scan.report import GapReason
from lockgate.scan.source import ZEROS, RandomAccess, Stream

_SIGNATURES = (b"KDUMP   ", b"DISKDUMP")
_VERSIONS = range(64)
_BLOCK_BYTES = frozenset(1 << power for power in range(9, 21))
#: Bytes of a descriptor, and how many are read at a time.
_WIDTH, _PIECE = 24, 4096


@dataclass(frozen=True, slots=True)
class _Layout:
    """One byte order and word size of the headers: where fields stand (bytes)."""

    order: str
    #: ``block_size`` of the header; the next fields follow it.
    block_at: int
    #: ``split`` of the sub header, and its two frame numbers, as old versions have them.
    split_at: int
    frames_form: str
    #: The same as version 6 has them, and the highest frame.
    frames64_at: int


_LAYOUTS = tuple(
    layout
    for order in "<>"
    for layout in (
        _Layout(order, 428, 12, "QQ", 80),
        _Layout(order, 416, 8, "II", 56),
    )
)


@dataclass(frozen=True, slots=True)
class _Header:
    """The headers' fields that matter here."""

    order: str
    block: int
    bitmap_at: int
    bitmap_bytes: int
    #: Frames of this file, of those that the bitmap tells; a dump may be split over files.
    frames: range


class _Forwards:
    """A stream whose front is held, and whose rest can be read once, forwards."""

    def __init__(self, stream: Stream, held: int) -> None:
        self._stream = stream
        self._front = stream.peek(held)

    @property
    def size(self) -> int:
        """Beyond any offset: it is not known."""
        return 1 << 63

    def holds(self, stop: int) -> bool:
        """Whether the bytes before ``stop`` can be read again and again."""
        return stop <= len(self._front)

    def read_at(self, offset: int, count: int) -> bytes:
        """As :class:`~lockgate.scan.source.RandomAccess` says, for what has not passed by."""
        if self.holds(offset + count):
            return self._front[offset : offset + count]
        if offset < self._stream.position:
            return self._front[offset:]
        self._stream.skip(offset - self._stream.position)
        return self._stream.peek(count)


@dataclass(frozen=True, slots=True)
class Kdump:
    """A kdump-compressed image: one member, the dumped pages."""

    frames: int = Limits().frames
    held: int = Limits().held_bytes
    name: str = "kdump"

    def recognises(self, head: bytes) -> bool:
        """Signature, and a version that is a small number in either byte order."""
        if not head.startswith(_SIGNATURES) or len(head) < 12:
            return False
        return any(int.from_bytes(head[8:12], order) in _VERSIONS for order in ("little", "big"))

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """The pages.

        Raises:
            Broken: no header makes sense, or the descriptors of a packed image are too many to
                be held.
        """
        access = stream.random_access() or _Forwards(stream, self.held)
        header = _read_header(access)
        bitmap = access.read_at(header.bitmap_at, min(header.bitmap_bytes, self.frames // 8))
        if header.bitmap_bytes > self.frames // 8:
            yield Problem(GapReason.MEMBER_LIMIT, f"more than {self.frames} page frames")
        elif len(bitmap) < header.bitmap_bytes:
            yield Problem(GapReason.TRUNCATED, "bitmap: the file ends first")
        pages = PageMap(_only(bitmap, header.frames), header.block)
        reader = PageReader(access, header.block)
        table_at = header.bitmap_at + header.bitmap_bytes
        if isinstance(access, _Forwards) and not access.holds(table_at + pages.pages * _WIDTH):
            raise Broken(
                GapReason.SIZE_LIMIT, "page descriptors of a packed dump: too many to hold"
            )
        chunks = _chunks(access, table_at, pages.pages, header.order, reader)
        yield Member(b"memory", chunks, memory=pages)
        yield from reader.problems()
        stream.drain()


def _read_header(access: RandomAccess) -> _Header:
    head = access.read_at(0, 464)
    for layout in _LAYOUTS:
        header = _parse(access, head, layout)
        if header is not None:
            return header
    raise Broken(GapReason.DAMAGED, "no kdump header makes sense")


def _parse(access: RandomAccess, head: bytes, layout: _Layout) -> _Header | None:
    order = layout.order
    if len(head) < layout.block_at + 16:
        return None
    (version,) = struct.unpack_from(order + "i", head, 8)
    block, sub_blocks, bitmap_blocks, highest = struct.unpack_from(
        order + "iiII", head, layout.block_at
    )
    if version not in _VERSIONS or block not in _BLOCK_BYTES or not 0 <= sub_blocks < 1 << 16:
        return None
    sub = access.read_at(block, 128)
    frames = range(1 << 64)
    if version >= 6 and len(sub) == 128:
        first, stop, highest = struct.unpack_from(order + "QQQ", sub, layout.frames64_at)
    elif len(sub) == 128:
        first, stop = struct.unpack_from(order + layout.frames_form, sub, layout.split_at + 4)
    if version >= 2 and len(sub) == 128 and any(sub[layout.split_at : layout.split_at + 4]):
        frames = range(first, stop)
    one_bitmap = -(-highest // (8 * block))
    bitmaps = 2 if bitmap_blocks >= 2 * one_bitmap else 1
    bitmap_bytes = bitmap_blocks // bitmaps * block
    place = (1 + sub_blocks) * block + (bitmaps - 1) * bitmap_bytes
    if place >= access.size:
        return None
    return _Header(order, block, place, bitmap_bytes, frames)


def _only(bitmap: bytes, frames: range) -> bytes:
    """``bitmap`` without the bits of other frames."""
    first, stop = (min(frame, 8 * len(bitmap)) for frame in (frames.start, frames.stop))
    if first >= stop:
        return b""
    own = bytearray(bitmap[: -(-stop // 8)])
    own[: first // 8] = bytes(first // 8)
    own[first // 8] &= 0xFF << first % 8 & 0xFF
    own[-1] &= 0xFF >> -stop % 8
    return bytes(own)


def _chunks(
    access: RandomAccess, place: int, count: int, order: str, reader: PageReader
) -> Iterator[bytes]:
    """The pages of ``count`` descriptors that stand at ``place``, a mebibyte at a time."""
    form = struct.Struct(order + "qII8x")
    step = len(ZEROS) // len(reader.blank)
    while count:
        table = access.read_at(place, min(count, _PIECE) * form.size)
        whole = len(table) // form.size
        if not whole:
            reader.missing(count, "page descriptors: the file ends first")
            return
        descriptors = list(form.iter_unpack(table[: whole * form.size]))
        for start in range(0, whole, step):
            pages = [reader.page(*one) for one in descriptors[start : start + step]]
            blank = len(pages) == step and all(page is reader.blank for page in pages)
            yield ZEROS if blank else b"".join(pages)
        place += whole * form.size
        count -= whole

"""QEMU's migration stream (``savevm``, ``migrate exec:``; docs/devel/migration): guest memory.

Rules enforced here:

1. Only the sections of ``ram`` are followed; they come first. Device sections behind them do not
   tell their length: they are scanned raw.
2. Pages come with headers of varying length, so that their alignment in the file changes:
   the member holds them one behind the other, as they come, pages of one byte value included.
3. What a page of the stream is in physical memory depends on the machine: no addresses are told.
4. XBZRLE, compressed and multifd pages are a gap.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lockgate.scan.containers.container import Broken, Member, Problem
from lockgate.scan.containers.dump import NO_MEMORY
from lockgate.scan.report import GapReason
from lockgate.scan.source import ZEROS, Stream

_MAGIC = b"QEVM\0\0\0\3"
_START, _PART, _END, _FULL, _CONFIGURATION, _FOOTER = 1, 2, 3, 4, 7, 0x7E
_FILL, _SIZES, _PAGE, _LAST, _SAME_BLOCK, _HOOK = 0x02, 0x04, 0x08, 0x10, 0x20, 0x80
_KNOWN = _FILL | _SIZES | _PAGE | _LAST | _SAME_BLOCK | _HOOK
_PAGE_BYTES = 4096
_RAM = b"ram"
_MOST_BLOCKS = 4096
#: Pages given at a time.
_BATCH = len(ZEROS) // _PAGE_BYTES
_ZERO_PAGE = bytes(_PAGE_BYTES)


@dataclass(frozen=True, slots=True)
class QemuStream:
    """A migration stream of version 3."""

    name: str = "QEMU migration stream"

    def recognises(self, head: bytes) -> bool:
        """Magic and version."""
        return head.startswith(_MAGIC)

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """The pages of the guest's memory.

        Raises:
            Broken: the stream is damaged, cut short, or written in a way that is not read.
        """
        stream.skip(len(_MAGIC))
        yield Member(b"ram", _Ram(stream).pages(), memory=NO_MEMORY)
        stream.drain()


@dataclass(slots=True)
class _Ram:
    """The sections of one stream, as they are read."""

    stream: Stream
    _batch: list[bytes] = field(default_factory=list, repr=False)
    #: The last section of memory has begun; devices follow.
    _ended: bool = False

    def pages(self) -> Iterator[bytes]:
        """All pages of all sections of ``ram``, those before damage too."""
        try:
            while self._next_section():
                last = False
                while not last:
                    header = self._number(8)
                    last = bool(header & _LAST)
                    self._entry(header)
                    if len(self._batch) == _BATCH:
                        yield self._flush()
        except Broken:
            yield self._flush()
            raise
        yield self._flush()

    def _flush(self) -> bytes:
        batch, self._batch = self._batch, []
        blank = len(batch) == _BATCH and all(page is _ZERO_PAGE for page in batch)
        return ZEROS if blank else b"".join(batch)

    def _next_section(self) -> bool:
        """Pass everything up to the content of the next section of ``ram``."""
        while kind := self.stream.read(1):
            if kind[0] == _CONFIGURATION:
                self.stream.skip(self._number(4))
            elif kind[0] == _FOOTER:
                self.stream.skip(4)
            elif kind[0] == _START and not self._ended:
                self._number(4)
                if self._name() != _RAM:
                    break
                self._number(8)
                return True
            elif kind[0] in {_PART, _END} and not self._ended:
                self._number(4)
                self._ended = kind[0] == _END
                return True
            elif self._ended:
                return False
            else:
                break
        else:
            raise Broken(GapReason.TRUNCATED, "the stream ends between sections")
        raise Broken(GapReason.UNSUPPORTED, "a section before the end of memory that is not read")

    def _entry(self, header: int) -> None:
        if header & (_PAGE_BYTES - 1) & ~_KNOWN:
            raise Broken(GapReason.UNSUPPORTED, "pages packed in a way that is not read")
        if header & _SIZES:
            self._sizes(header & -_PAGE_BYTES)
        if header & (_FILL | _PAGE):
            if not header & _SAME_BLOCK:
                self._name()
            page = self._filled() if header & _FILL else self._bytes(_PAGE_BYTES)
            self._batch.append(page)

    def _filled(self) -> bytes:
        """A page of which every byte is the next one of the stream."""
        value = self._bytes(1)
        return value * _PAGE_BYTES if any(value) else _ZERO_PAGE

    def _sizes(self, total: int) -> None:
        for _ in range(_MOST_BLOCKS):
            if total <= 0:
                return
            self._name()
            total -= self._number(8)
        raise Broken(GapReason.DAMAGED, "more blocks of memory than any machine has")

    def _name(self) -> bytes:
        return self._bytes(self._bytes(1)[0])

    def _number(self, count: int) -> int:
        return int.from_bytes(self._bytes(count), "big")

    def _bytes(self, count: int) -> bytes:
        content = self.stream.read(count)
        if len(content) < count:
            raise Broken(GapReason.TRUNCATED, "the stream ends early")
        return content

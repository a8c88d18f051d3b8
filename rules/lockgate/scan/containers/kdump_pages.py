"""Packed pages of a kdump image, by descriptor.

Rules enforced here:

1. No page unpacks to more than a page: what a method says of its size is asked first (zstd,
   snappy), or its output is bounded (zlib), or grows with an input that is bounded (lzo).
2. Pages are read ahead while descriptors lead forwards, and singly when they jump. A page that
   many descriptors share (zeros) is unpacked once.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache

import zstandard

from lockgate.scan.containers.container import Problem
from lockgate.scan.report import GapReason
from lockgate.scan.source import RandomAccess

_ZLIB, _LZO, _SNAPPY, _ZSTD = 1, 2, 4, 0x20
_METHODS = _ZLIB | _LZO | _SNAPPY | _ZSTD
_WINDOW_BYTES = 1 << 20
#: Pages kept because descriptors led backwards to them.
_SHARED = 256

Unpack = Callable[[bytes, int], bytes]


class PageReader:
    """Reads and unpacks pages; counts those that it cannot."""

    def __init__(self, access: RandomAccess, page_bytes: int) -> None:
        self._access = access
        self._page_bytes = page_bytes
        #: Stands for every page of zeros.
        self.blank = bytes(page_bytes)
        self._window = b""
        self._window_at = 0
        self._shared: dict[tuple[int, int, int], bytes] = {}
        self._lost: Counter[tuple[GapReason, str]] = Counter()

    def page(self, offset: int, size: int, flags: int) -> bytes:
        """The page of one descriptor, zeros when it cannot be had."""
        if offset >= self._window_at:
            return self._unpacked(offset, size, flags)
        key = offset, size, flags
        page = self._shared.get(key)
        if page is None:
            page = self._unpacked(*key)
            if len(self._shared) < _SHARED:
                self._shared[key] = page
        return page

    def missing(self, count: int, why: str) -> None:
        """So many more pages have no descriptor."""
        self._lost[GapReason.TRUNCATED, why] += count

    def problems(self) -> Iterator[Problem]:
        """One problem for each way in which pages were lost."""
        for (reason, why), count in self._lost.items():
            yield Problem(reason, f"{count} pages: {why}", b"memory")

    def _unpacked(self, offset: int, size: int, flags: int) -> bytes:
        packed = self._read(offset, size) if offset > 0 and 0 < size <= self._page_bytes else b""
        if not packed:
            return self._lose(GapReason.TRUNCATED, "not in the dump")
        method = flags & _METHODS
        if not method:
            page = packed
        else:
            unpack = _method(method)
            if unpack is None:
                return self._lose(GapReason.UNSUPPORTED, "packed by an unknown method")
            page = unpack(packed, self._page_bytes)
        if len(page) != self._page_bytes:
            return self._lose(GapReason.DAMAGED, "do not unpack to a page")
        return self.blank if page == self.blank else page

    def _read(self, offset: int, size: int) -> bytes:
        start = offset - self._window_at
        if start >= 0 and start + size <= len(self._window):
            return self._window[start : start + size]
        if 0 <= start <= len(self._window) + _WINDOW_BYTES:
            self._window = self._access.read_at(offset, _WINDOW_BYTES)
            self._window_at = offset
            packed = self._window[:size]
        else:
            packed = self._access.read_at(offset, size)
        return packed if len(packed) == size else b""

    def _lose(self, reason: GapReason, why: str) -> bytes:
        self._lost[reason, why] += 1
        return self.blank


@cache
def _method(flag: int) -> Unpack | None:
    """What unpacks pages of one method; libraries are loaded when a dump needs them."""
    if flag == _ZLIB:
        return _unzlib
    if flag == _ZSTD:
        return _unzstd
    if flag == _SNAPPY:
        return _snappy()
    return _lzo() if flag == _LZO else None


def _unzlib(packed: bytes, page_bytes: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, page_bytes + 1)
    except zlib.error:
        return b""


def _unzstd(packed: bytes, page_bytes: int) -> bytes:
    try:
        promised = zstandard.get_frame_parameters(packed).content_size
        if page_bytes < promised < zstandard.CONTENTSIZE_UNKNOWN:
            return b""
        return zstandard.ZstdDecompressor().decompress(packed, max_output_size=page_bytes)
    except zstandard.ZstdError:
        return b""


def _snappy() -> Unpack:
    from cramjam import DecompressionError, snappy

    def unpack(packed: bytes, page_bytes: int) -> bytes:
        page = bytearray(page_bytes)
        try:
            return bytes(page[: snappy.decompress_raw_into(packed, page)])
        except DecompressionError:
            return b""

    return unpack


def _lzo() -> Unpack:
    from lzallright import LZOCompressor, LZOError

    def unpack(packed: bytes, page_bytes: int) -> bytes:
        try:
            return bytes(LZOCompressor.decompress(packed, page_bytes))
        except LZOError:
            return b""

    return unpack

"""liblzma's decompressors in the shape that :mod:`packed` expects, with bounded memory.

Rule enforced here: a dictionary larger than the limit is refused instead of being allocated.
"""

from __future__ import annotations

import lzma
from collections.abc import Sequence

#: Largest dictionary (bytes): that of ``xz -9`` and of ``7z -mx=9``.
DICTIONARY_BYTES = 64 << 20
#: What liblzma may take for it and for its own tables (bytes).
_MEMORY_BYTES = DICTIONARY_BYTES + (32 << 20)

Filters = Sequence[dict[str, int]]


def begin_xz() -> lzma.LZMADecompressor:
    """One stream of the .xz format."""
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY_BYTES)


def xz_dictionary(head: bytes) -> int:
    """The dictionary (bytes) of the first block of a .xz stream; the largest if it is not told.

    The block header stands behind the stream header of 12 bytes: its size, flags, two optional
    sizes, and the filters, of which LZMA2 is the last (.xz file format, section 3.1).
    """
    flags, at = head[13:14], 14
    if len(head) < 15 or not head[12]:
        return 0
    for bit in (0x40, 0x80):
        if flags[0] & bit:
            at = _behind_number(head, at)
    for _ in range((flags[0] & 3) + 1):
        kind, size = head[at : at + 1], head[at + 1 : at + 2]
        if kind == b"\x21" and size == b"\1" and at + 2 < len(head) and head[at + 2] < 40:
            return (2 | head[at + 2] & 1) << (head[at + 2] // 2 + 11)
        at += 2 + (size[0] if size else 0)
    return DICTIONARY_BYTES


def _behind_number(head: bytes, at: int) -> int:
    while at < len(head) and head[at] & 0x80:
        at += 1
    return at + 1


def begin_alone() -> lzma.LZMADecompressor:
    """One file of the .lzma format."""
    return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_MEMORY_BYTES)


def begin_raw(filters: Filters) -> lzma.LZMADecompressor:
    """Bare data of a chain of filters.

    Raises:
        lzma.LZMAError: liblzma has no such chain, or a dictionary is too large.
    """
    if any(f.get("dict_size", 0) > DICTIONARY_BYTES for f in filters):
        raise lzma.LZMAError("dictionary too large")
    try:
        return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=list(filters))
    except (ValueError, OverflowError, MemoryError) as error:
        raise lzma.LZMAError("no such filters") from error


def lzma1_filter(properties: bytes) -> dict[str, int]:
    """The filter that five bytes of LZMA properties describe (LZMA specification).

    Raises:
        lzma.LZMAError: they describe none.
    """
    if len(properties) < 5 or properties[0] >= 9 * 5 * 5:
        raise lzma.LZMAError("broken properties")
    rest, lc = divmod(properties[0], 9)
    pb, lp = divmod(rest, 5)
    size = max(4096, int.from_bytes(properties[1:5], "little"))
    return {"id": lzma.FILTER_LZMA1, "dict_size": size, "lc": lc, "lp": lp, "pb": pb}


class ZipLzma:
    """LZMA in a zip: version, length of properties, properties, data (APPNOTE 5.8.8)."""

    def __init__(self) -> None:
        self._engine: lzma.LZMADecompressor | None = None
        self._head = b""

    @property
    def eof(self) -> bool:
        """Whether an end marker was read."""
        return self._engine is not None and self._engine.eof

    @property
    def needs_input(self) -> bool:
        """Whether more packed bytes are needed before it can give any."""
        return self._engine is None or self._engine.needs_input

    @property
    def unused_data(self) -> bytes:
        """Packed bytes given to it that lie behind the end."""
        return b"" if self._engine is None else self._engine.unused_data

    def decompress(self, packed: bytes, most: int) -> bytes:
        """Up to ``most`` unpacked bytes.

        Raises:
            lzma.LZMAError: the data is damaged or its dictionary too large.
        """
        if self._engine is None:
            self._head += packed
            length = 4 + int.from_bytes(self._head[2:4], "little")
            if len(self._head) < max(9, length):
                return b""
            self._engine = begin_raw([lzma1_filter(self._head[4:length])])
            packed = self._head[length:]
        return self._engine.decompress(packed, most)

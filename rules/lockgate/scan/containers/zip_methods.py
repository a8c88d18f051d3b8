"""How the members of a zip are packed (PKWARE APPNOTE 4.4.5).

Rule enforced here: every decompressor is imported only when a member needs it, and a method
without one is told apart from a damaged member.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

from lockgate.scan.containers.inflate import RAW_WINDOW, Inflate
from lockgate.scan.containers.packed import Inflater

DEFLATED = 8


@dataclass(frozen=True, slots=True)
class Method:
    """A way to unpack; what its damage raises; whether its data says where it ends.

    ``window`` tells from the front of the data how many bytes of memory it takes.
    """

    begin: Callable[[], Inflater]
    errors: type[Exception]
    ends_itself: bool = True
    window: Callable[[bytes], int] = lambda _: 0


def method_of(number: int) -> Method | None:
    """The method with this number, None if there is no reader for it."""
    made = _METHODS.get(number)
    return None if made is None else made()


def _deflate() -> Method:
    return Method(lambda: Inflate(RAW_WINDOW), zlib.error)


def _deflate64() -> Method:
    from lockgate.scan.containers.inflate64 import Inflate64

    return Method(Inflate64, Exception, ends_itself=False)


def _bzip2() -> Method:
    import bz2

    return Method(bz2.BZ2Decompressor, OSError)


def _lzma() -> Method:
    import lzma

    from lockgate.scan.containers.unlzma import ZipLzma

    def window(front: bytes) -> int:
        return int.from_bytes(front[5:9], "little")

    return Method(ZipLzma, lzma.LZMAError, ends_itself=False, window=window)


def _zstd() -> Method:
    from lockgate.scan.containers.unzstd import Unzstd, ZstdError, window_of

    return Method(Unzstd, ZstdError, window=window_of)


def _xz() -> Method:
    import lzma

    from lockgate.scan.containers.unlzma import begin_xz, xz_dictionary

    return Method(begin_xz, lzma.LZMAError, window=xz_dictionary)


_METHODS: dict[int, Callable[[], Method]] = {
    DEFLATED: _deflate,
    9: _deflate64,
    12: _bzip2,
    14: _lzma,
    20: _zstd,
    93: _zstd,
    95: _xz,
}

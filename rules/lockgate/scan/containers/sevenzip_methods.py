"""How the folders of a 7z archive are packed (Methods.txt of the LZMA SDK).

Rule enforced here: a filter for machine code stands alone in 7z, but liblzma applies it only in
front of its own compression; so what is to be filtered is wrapped as stored LZMA2 chunks.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Iterator

from lockgate.scan.containers.container import Broken
from lockgate.scan.containers.inflate import RAW_WINDOW, Inflate
from lockgate.scan.containers.packed import Inflater, unpack_sized
from lockgate.scan.containers.sevenzip_header import Coder
from lockgate.scan.containers.unlzma import begin_raw, lzma1_filter
from lockgate.scan.report import GapReason

ENCRYPTION = b"\x06\xf1\x07\x01"
_COPY, _LZMA, _LZMA2, _DELTA = b"\0", b"\x03\x01\x01", b"\x21", b"\x03"
_DEFLATE, _DEFLATE64, _BZIP2 = b"\x04\x01\x08", b"\x04\x01\x09", b"\x04\x02\x02"
_ZSTD = b"\x04\xf7\x11\x01"
_FILTERS = {
    b"\x04": lzma.FILTER_X86,
    b"\x03\x03\x01\x03": lzma.FILTER_X86,
    b"\x05": lzma.FILTER_POWERPC,
    b"\x03\x03\x02\x05": lzma.FILTER_POWERPC,
    b"\x06": lzma.FILTER_IA64,
    b"\x03\x03\x04\x01": lzma.FILTER_IA64,
    b"\x07": lzma.FILTER_ARM,
    b"\x03\x03\x05\x01": lzma.FILTER_ARM,
    b"\x08": lzma.FILTER_ARMTHUMB,
    b"\x03\x03\x07\x01": lzma.FILTER_ARMTHUMB,
    b"\x09": lzma.FILTER_SPARC,
    b"\x03\x03\x08\x05": lzma.FILTER_SPARC,
}
_STORED_CHUNK = 1 << 16


def unpack_coder(coder: Coder, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """What one coder makes of ``chunks``.

    Raises:
        Broken: there is no reader for the method, or its properties are broken.
    """
    if coder.method == _COPY:
        return chunks
    if coder.method == _DELTA or coder.method in _FILTERS:
        chunks = _wrapped(chunks)
    inflater, errors = _inflater(coder)
    return unpack_sized(chunks, inflater, errors, coder.size)


def _inflater(coder: Coder) -> tuple[Inflater, type[Exception]]:
    method = coder.method
    if method == _DEFLATE:
        return Inflate(RAW_WINDOW), zlib.error
    if method == _BZIP2:
        return bz2.BZ2Decompressor(), OSError
    if method == _DEFLATE64:
        from lockgate.scan.containers.inflate64 import Inflate64

        return Inflate64(), Exception
    if method == _ZSTD:
        from lockgate.scan.containers.unzstd import Unzstd, ZstdError

        return Unzstd(), ZstdError
    try:
        return begin_raw(_chain(method, coder.properties)), lzma.LZMAError
    except lzma.LZMAError:
        detail = "7z properties are broken or a dictionary is too large"
        raise Broken(GapReason.SIZE_LIMIT, detail) from None


def _chain(method: bytes, properties: bytes) -> list[dict[str, int]]:
    stored = {"id": lzma.FILTER_LZMA2, "dict_size": _STORED_CHUNK}
    if method == _LZMA:
        return [lzma1_filter(properties)]
    if method == _LZMA2 and len(properties) == 1 and properties[0] < 40:
        size = (2 | properties[0] & 1) << (properties[0] // 2 + 11)
        return [{"id": lzma.FILTER_LZMA2, "dict_size": size}]
    if method == _DELTA and len(properties) == 1:
        return [{"id": lzma.FILTER_DELTA, "dist": properties[0] + 1}, stored]
    if method in _FILTERS:
        return [{"id": _FILTERS[method]}, stored]
    raise Broken(GapReason.UNSUPPORTED, "7z method without a reader")


def window_of(coder: Coder) -> int:
    """The dictionary (bytes) that a coder keeps; 0 for those that keep little."""
    if coder.method not in {_LZMA, _LZMA2}:
        return 0
    return _chain(coder.method, coder.properties)[0]["dict_size"]


def _wrapped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """``chunks`` as stored LZMA2 chunks, of which the first resets the dictionary."""
    control = b"\1"
    for chunk in chunks:
        for at in range(0, len(chunk), _STORED_CHUNK):
            piece = chunk[at : at + _STORED_CHUNK]
            yield control + (len(piece) - 1).to_bytes(2, "big") + piece
            control = b"\2"
    yield b"\0"

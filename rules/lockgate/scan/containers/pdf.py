"""PDF documents (ISO 32000-1): the content of their compressed streams.

Rules enforced here:

1. Streams are told by their keyword and the dictionary before it, in the order of the file; no
   table is followed. Raw deflate data is read, so that a wrong checksum costs nothing.
2. Filters of pictures alone hold no text and are left to the raw scan; other filters without a
   reader, an encrypted document, and a zip archive at the end of the file are gaps.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from lockgate.scan.containers.container import Member, Problem
from lockgate.scan.containers.inflate import RAW_WINDOW, Inflate
from lockgate.scan.containers.packed import unpack_one
from lockgate.scan.containers.zip_records import TAIL_BYTES, ends_in_archive
from lockgate.scan.report import GapReason
from lockgate.scan.source import Stream

_STREAM = re.compile(rb"(?<!end)stream\r?\n")
_FILTER = re.compile(rb"/Filter\s*(\[[^\]]{0,256}\]|/[A-Za-z0-9]+)")
_NAME = re.compile(rb"/([A-Za-z0-9]+)")
_ENCRYPT = re.compile(rb"/Encrypt\b")
_FLATE = frozenset({b"FlateDecode", b"Fl"})
_PICTURES = frozenset(
    {b"DCTDecode", b"DCT", b"JPXDecode", b"CCITTFaxDecode", b"CCF", b"JBIG2Decode"}
)
#: How much is looked through at once, and how far before its keyword a dictionary starts (bytes).
_WINDOW = 1 << 16
_DICTIONARY = 4096


@dataclass(frozen=True, slots=True)
class Pdf:
    """A document."""

    name: str = "PDF"

    def recognises(self, head: bytes) -> bool:
        """The header comment, which may stand behind a little of something else."""
        return b"%PDF-" in head[:1024]

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """Every stream that is compressed, in order."""
        before, encrypted = b"", False
        tail = b""
        while window := stream.peek(_WINDOW)[:_WINDOW]:
            found = _STREAM.search(window)
            keep = 0 if len(window) < _WINDOW else 8
            stop = found.end() if found else len(window) - keep
            passed = stream.read(stop)
            before = (before + passed)[-_DICTIONARY:]
            tail = (tail + passed)[-TAIL_BYTES:]
            encrypted = encrypted or _ENCRYPT.search(before) is not None
            if found:
                yield from _content(stream, before)
                before = b""
        if encrypted:
            yield Problem(GapReason.ENCRYPTED, "encrypted PDF: its streams cannot be read")
        if ends_in_archive(tail):
            yield Problem(GapReason.UNSUPPORTED, "zip behind a PDF: scanned raw only")


def _content(stream: Stream, before: bytes) -> Iterator[Member | Problem]:
    """The stream at hand, whose dictionary ends ``before``."""
    dictionary = before[before.rfind(b"obj") + 3 :]
    found = _FILTER.search(dictionary)
    names = [] if found is None else _NAME.findall(found[1])
    place = stream.position
    if names and names[0] in _FLATE:
        stream.skip(2)  # the header of RFC 1950
        packed = unpack_one(stream, Inflate(RAW_WINDOW), zlib.error)
        yield Member(b"stream at %d" % place, packed)
    elif not _PICTURES.issuperset(names):
        detail = "PDF filter without a reader: " + names[0].decode("ascii")
        yield Problem(GapReason.UNSUPPORTED, detail, None, place)

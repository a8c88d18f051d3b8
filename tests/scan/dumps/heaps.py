"""Synthetic Java heap dumps and crash reports, from the public layouts of HPROF and apport."""

from __future__ import annotations

import base64
import gzip
import struct
import zlib

from tests.scan.dumps.writers import Written

_WIDTHS = {5: 2, 8: 1, 10: 4, 11: 8}


def array(content: bytes, kind: int, width: int = 8) -> bytes:
    """A primitive array of bytes (8), ints (10), longs (11) or chars (5)."""
    count = len(content) // _WIDTHS[kind]
    head = b"\x23" + bytes(width - 1) + b"\x77" + struct.pack(">IIB", 1, count, kind)
    return head + content


def instance(fields: bytes, width: int = 8) -> bytes:
    """An object with those field values."""
    return (
        b"\x21" + b"\1" * width + bytes(4) + b"\2" * width + struct.pack(">I", len(fields)) + fields
    )


def class_(width: int = 8) -> bytes:
    """A class with a static field and two instance fields."""
    heads = b"\x20" + b"\3" * width + bytes(4) + bytes(6 * width) + struct.pack(">I", 16)
    static = struct.pack(">H", 1) + b"\4" * width + b"\x0a" + bytes(4)
    fields = struct.pack(">H", 2) + (b"\5" * width + b"\x0b") * 2
    return heads + struct.pack(">H", 1) + b"\0\1\x0b" + bytes(8) + static + fields


def hprof(records: list[bytes], width: int = 8, version: int = 2) -> Written:
    """A heap dump of one segment; ``offset`` is that of the content of the last record."""
    head = b"JAVA PROFILE 1.0.%d\0" % version + struct.pack(">IQ", width, 1)
    text = b"\1" + struct.pack(">II", 0, width + 4) + bytes(width) + b"name"
    body = b"".join(records)
    segment = b"\x1c" + struct.pack(">II", 0, len(body)) + body
    last = len(head) + len(text) + 9 + len(body) - len(records[-1]) + 10 + width
    return Written(head + text + segment + b"\x2c" + bytes(8), last, None, None)


def crash(core: Written, packing: str = "gzip") -> Written:
    """An apport report with the core packed in lines of base64, each its own."""
    pack = {"gzip": lambda b: gzip.compress(b, 1), "zlib": lambda b: zlib.compress(b, 1)}[packing]
    packed = pack(core.data)
    pieces = [packed[:10], *(packed[at : at + 70_001] for at in range(10, len(packed), 70_001))]
    lines = b"".join(b" " + base64.b64encode(piece) + b"\n" for piece in pieces)
    data = b"ProblemType: Crash\nArchitecture: amd64\nCoreDump: base64\n" + lines
    data += b"Disassembly:\n => 0x0\n base64: no\nProcCmdline: program --key\n"
    return Written(data, core.offset, f"CoreDump!{packing}", core.address)

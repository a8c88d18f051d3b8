"""Synthetic dumps: writers made from the public layout of each format, not by a real producer.

Each writes two ranges of memory: a few pages of filler at a low address, and the planted memory
at ``BASE``; and tells where the planted memory stands.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import cramjam
import zstandard
from lzallright import LZOCompressor
from tests.scan.dumps.planted import PAGE

BASE = 0x140000
FILLER_AT = 0x3000
FILLER = b"filler  " * (3 * PAGE // 8)
Ranges = list[tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Written:
    """A dump; the planted memory stands at ``offset`` of ``member``, and stood at ``address``."""

    data: bytes = field(repr=False)
    offset: int
    member: str | None = None
    address: int | None = BASE


def ranges_of(memory: bytes) -> Ranges:
    """The two ranges by address."""
    return [(FILLER_AT, FILLER), (BASE, memory)]


def elf(
    memory: bytes, *, order: str = "<", wide: bool = True, physical: bool = False, version: int = 1
) -> Written:
    """An ELF core; as VirtualBox writes it with version 0 and physical addresses only."""
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, version]) + bytes(9)
    front, width = (64, 56) if wide else (52, 32)
    place, table, content = PAGE, b"", b""
    for address, held in ranges_of(memory):
        virtual, real = (0, address) if physical else (address, 0)
        size = len(held)
        if wide:
            table += struct.pack(order + "IIQQQQQQ", 1, 6, place, virtual, real, size, size, 0)
        else:
            table += struct.pack(order + "IIIIIIII", 1, place, virtual, real, size, size, 6, 0)
        place, content = place + size, content + held
    form = order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH")
    header = struct.pack(form, 4, 62, version, 0, front, 0, 0, front, width, 2, 0, 0, 0)
    return Written((ident + header + table).ljust(PAGE, b"\0") + content, PAGE + len(FILLER))


def elf_of_many(memory: bytes, count: int = 70_000) -> Written:
    """A core with more segments than ``e_phnum`` can tell: the count is behind all content."""
    table_at, width = 64, 56
    content_at = -(-(table_at + count * width) // PAGE) * PAGE
    segments = [
        struct.pack("<IIQQQQQQ", 1, 6, content_at, BASE, 0, len(memory), len(memory), 0),
        *(struct.pack("<IIQQQQQQ", 1, 6, 0, i << 20, 0, 0, PAGE, 0) for i in range(2, count + 1)),
    ]
    # The planted segment is the last, so that only a reader of all of them sees it.
    table = b"".join(reversed(segments))
    stop = content_at + len(memory)
    header = struct.pack(
        "<HHIQQQIHHHHHH", 4, 62, 1, 0, table_at, stop, 0, 64, width, 0xFFFF, 64, 1, 0
    )
    section = struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 1, 0, count, 0, 0)
    front = b"\x7fELF\2\1\1" + bytes(9) + header + table
    return Written(front.ljust(content_at, b"\0") + memory + section, content_at)


def xen(memory: bytes) -> Written:
    """A Xen domain's core: pages by section, no segments."""
    names = b"\0.shstrtab\0.xen_pages\0.xen_pfn\0"
    frames = [address // PAGE + i for address, held in ranges_of(memory)
              for i in range(len(held) // PAGE)]  # fmt: skip
    pfn = struct.pack(f"<{len(frames)}Q", *frames)
    pages_at = 2 * PAGE
    content = FILLER + memory
    named = [(1, 512, len(names)), (11, pages_at, len(content)), (22, 1024, len(pfn))]
    sections = bytes(64) + b"".join(
        struct.pack("<IIQQQQIIQQ", name, 1, 0, 0, place, size, 0, 0, 0, 0)
        for name, place, size in named
    )
    header = struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 0, 64, 0, 64, 0, 0, 64, 4, 1)
    front = (b"\x7fELF\2\1\1" + bytes(9) + header + sections).ljust(512, b"\0") + names
    front = (front.ljust(1024, b"\0") + pfn).ljust(pages_at, b"\0")
    return Written(front + content, pages_at + len(FILLER))


def minidump(memory: bytes, *, full: bool = True, skew: int = 4) -> Written:
    """A minidump, with Memory64List or MemoryList; memory stands at an odd offset."""
    ranges = ranges_of(memory)
    list_at = 32 + 2 * 12
    size = 16 + 16 * len(ranges) if full else 4 + 16 * len(ranges)
    content_at = list_at + size + skew
    place, table = content_at, b""
    for address, held in ranges:
        if full:
            table += struct.pack("<QQ", address, len(held))
        else:
            table += struct.pack("<QII", address, len(held), place)
        place += len(held)
    head = struct.pack("<QQ", 2, content_at) if full else struct.pack("<I", 2)
    streams = struct.pack("<III", 7, 0, 0) + struct.pack("<III", 9 if full else 5, size, list_at)
    data = struct.pack("<4sIIIIIQ", b"MDMP", 0xA793, 2, 32, 0, 0, 2) + streams + head + table
    data = data.ljust(content_at, b"\0") + b"".join(held for _, held in ranges)
    return Written(data, content_at + len(FILLER))


def pagedump(memory: bytes, kind: int = 1, *, wide: bool = True) -> Written:
    """A crash dump of a whole machine: type 1 with runs, 5 with a bitmap."""
    ranges = ranges_of(memory)
    header = bytearray(b"PAGEDU64" if wide else b"PAGEDUMP").ljust(0x2000 if wide else 0x1000, b"P")
    struct.pack_into("<I", header, 0xF98 if wide else 0xF88, kind)
    runs = [(address // PAGE, len(held) // PAGE) for address, held in ranges]
    total = sum(pages for _, pages in runs)
    struct.pack_into("<I4xQ" if wide else "<II", header, 0x88 if wide else 0x64, len(runs), total)
    for i, run in enumerate(runs):
        struct.pack_into(
            "<QQ" if wide else "<II", header, (0x98 + 16 * i) if wide else 0x6C + 8 * i, *run
        )
    front = bytes(header)
    if kind == 5:
        bitmap = bits_of(ranges)
        first = 0x4000
        front += (
            struct.pack("<4s4s24xQQQ", b"FDMP", b"DUMP", first, total, 8 * len(bitmap)) + bitmap
        )
        front = front.ljust(first, b"\0")
    return Written(front + FILLER + memory, len(front) + len(FILLER))


def bits_of(ranges: Ranges) -> bytes:
    """A bit for each frame, those of ``ranges`` set."""
    bits = bytearray(PAGE)
    for address, held in ranges:
        for frame in range(address // PAGE, (address + len(held)) // PAGE):
            bits[frame // 8] |= 1 << frame % 8
    return bytes(bits)


def lime(memory: bytes) -> Written:
    """A LiME image, as AVML writes it too."""
    data = b"".join(
        struct.pack("<4sIQQQ", b"EMiL", 1, address, address + len(held) - 1, 0) + held
        for address, held in ranges_of(memory)
    )
    return Written(data, len(data) - len(memory))


def avml(memory: bytes) -> Written:
    """A compressed AVML image."""
    data = b""
    for address, held in ranges_of(memory):
        packed = bytes(cramjam.snappy.compress(held))
        last = address + len(held) - 1
        data += struct.pack("<4sIQQQ", b"AVML", 2, address, last, 0) + packed
        data += struct.pack("<Q", len(packed))
    return Written(data, 0, hex(BASE))


def mach(memory: bytes, *, order: str = "<", wide: bool = True) -> Written:
    """A Mach-O core."""
    commands, place = b"", PAGE
    for address, held in ranges_of(memory):
        form, size = (order + "II16sQQQQIIII", 72) if wide else (order + "II16sIIIIIIII", 56)
        fields = (address, len(held), place, len(held), 7, 7, 0, 0)
        commands += struct.pack(form, 0x19 if wide else 1, size, b"", *fields)
        place += len(held)
    magic = 0xFEEDFACF if wide else 0xFEEDFACE
    header = struct.pack(order + "IIIIIII", magic, 7, 3, 4, 2, len(commands), 0)
    data = (header + bytes(4 if wide else 0) + commands).ljust(PAGE, b"\0") + FILLER + memory
    return Written(data, PAGE + len(FILLER))


def vmware(memory: bytes) -> Written:
    """A suspended state that holds its memory, in two regions."""
    pages = 0
    tags = _tag(b"regionsCount", struct.pack("<I", 2))
    for i, (address, held) in enumerate(ranges_of(memory)):
        count = len(held) // PAGE
        for name, number in ((b"PPN", address // PAGE), (b"PageNum", pages), (b"Size", count)):
            tags += _tag(b"region" + name, struct.pack("<I", number), i)
        pages += count
    groups = struct.pack("<64sQQ", b"memory", 12 + 80, 0)
    front = b"\xd2\xbe\xd2\xbe" + struct.pack("<II", 8, 1) + groups + tags
    content = FILLER + memory
    long_tag = bytes([63, 6]) + b"Memory" + struct.pack("<QQ", len(content), len(content))
    padding = -(len(front) + len(long_tag) + 2) % PAGE
    front += long_tag + struct.pack("<H", padding) + bytes(padding)
    return Written(front + content + bytes(2), len(front) + len(FILLER))


def _tag(name: bytes, content: bytes, *indices: int) -> bytes:
    flags = len(indices) << 6 | len(content)
    return bytes([flags, len(name)]) + name + struct.pack(f"<{len(indices)}I", *indices) + content


PACKERS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "plain": (0, bytes),
    "zlib": (1, zlib.compress),
    "lzo": (2, lambda page: bytes(LZOCompressor().compress(page))),
    "snappy": (4, lambda page: bytes(cramjam.snappy.compress_raw(page))),
    "zstd": (0x20, zstandard.compress),
    "unknown": (0x22, zstandard.compress),
}


def kdump(
    memory: bytes,
    packer: str = "zlib",
    *,
    order: str = "<",
    wide: bool = True,
    version: int = 6,
    own: bool = False,
) -> Written:
    """A kdump-compressed image; of a dump split over files when it has its ``own`` frames."""
    flag, pack = PACKERS[packer]
    ranges = ranges_of(memory)
    bitmap = bits_of(ranges)
    header = bytearray(b"KDUMP   " + struct.pack(order + "i", version)).ljust(PAGE, b"\0")
    frames = 8 * len(bitmap)
    fields = (PAGE, 1, 2 * len(bitmap) // PAGE, frames if version < 6 else 0)
    struct.pack_into(order + "iiII", header, 428 if wide else 416, *fields)
    sub = bytearray(PAGE)
    if version >= 6:
        first = BASE // PAGE if own else 0
        struct.pack_into(order + "QQQ", sub, 80 if wide else 56, first, frames, frames)
        struct.pack_into(order + "i", sub, 12 if wide else 8, own)
    front = bytes(header) + bytes(sub) + bitmap + bitmap
    kept_ranges = ranges[1:] if own else ranges
    pages = [held[at : at + PAGE] for _, held in kept_ranges for at in range(0, len(held), PAGE)]
    place, table, content, places = len(front) + 24 * len(pages), b"", b"", dict[bytes, int]()
    for page in pages:
        packed = pack(page)
        kept, used = (packed, flag) if len(packed) < PAGE else (page, 0)
        at = places.get(page)
        if at is None:
            at = places[page] = place
            content, place = content + kept, place + len(kept)
        table += struct.pack(order + "qIIQ", at, len(kept), used, 0)
    return Written(front + table + content, 0 if own else len(FILLER), "memory")


def flattened(dump: Written) -> Written:
    """A dump as ``makedumpfile -F`` writes it: in pieces, the front last."""
    pieces = [(at, dump.data[at : at + 9000]) for at in range(0, len(dump.data), 9000)]
    data = struct.pack(">16sqq", b"makedumpfile", 1, 1).ljust(PAGE, b"\0")
    data += struct.pack(">qq", 0, 5000) + b"\xee" * 5000
    for at, piece in reversed(pieces):
        data += struct.pack(">qq", at, len(piece)) + piece
    data += struct.pack(">qq", -1, -1)
    return Written(data, dump.offset, f"vmcore!{dump.member}")


def qemu(memory: bytes) -> Written:
    """A migration stream of one block of memory, zero pages as one byte."""
    held = FILLER + memory
    data = b"QEVM\0\0\0\3" + b"\7" + struct.pack(">I", 6) + b"pc-1.0"
    data += b"\1" + struct.pack(">I", 2) + b"\3ram" + struct.pack(">II", 0, 4)
    data += struct.pack(">Q", len(held) | 4) + b"\6pc.ram" + struct.pack(">Q", len(held))
    data += struct.pack(">Q", 16) + b"\x7e" + struct.pack(">I", 2)
    data += b"\3" + struct.pack(">I", 2)
    for at in range(0, len(held), PAGE):
        page, same = held[at : at + PAGE], 0x20 if at else 0
        name = b"" if at else b"\6pc.ram"
        flag, content = (8, page) if any(page) else (2, b"\0")
        data += struct.pack(">Q", at | flag | same) + name + content
    data += struct.pack(">Q", 16) + b"\x7e" + struct.pack(">I", 2) + b"\4devices"
    return Written(data, len(FILLER), "ram", None)


def libvirt(memory: bytes) -> Written:
    """A machine saved by libvirt."""
    inner = qemu(memory)
    xml = b"<domain/>"
    header = b"LibvirtQemudSave" + struct.pack("<II", 2, len(xml))
    return Written(header.ljust(92, b"\0") + xml + inner.data, inner.offset, "state!ram", None)

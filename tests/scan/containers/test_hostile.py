"""Hostile containers: circles, bombs, and numbers out of all bounds end soon and never clean."""

from __future__ import annotations

import gzip
import struct
import time
import zlib
from collections.abc import Callable

import pytest

from lockgate.formats.scanner import standard_scanner
from lockgate.scan.limits import Limits
from lockgate.scan.report import GapReason

from .packers import ARCHIVES, CLEAN, pack


def reasons(report) -> set[GapReason]:
    """The reasons of all gaps."""
    return {gap.reason for gap in report.gaps}


def patched(row: str, *changes: tuple[int, bytes]) -> bytes:
    """A real container with some bytes replaced."""
    data = bytearray(pack(ARCHIVES[row], CLEAN))
    for place, change in changes:
        data[place : place + len(change)] = change
    return bytes(data)


def table_of(image: bytes) -> int:
    """Where the first-level table of a qcow2 image stands."""
    return int.from_bytes(image[40:48], "big")


def qcow2_in_a_circle() -> bytes:
    """Every first-level entry names the first-level table itself."""
    image = pack(ARCHIVES["qcow2"], CLEAN)
    at = table_of(image)
    return patched("qcow2", (at, struct.pack(">Q", at | 1 << 63)))


def qcow2_of_an_exabyte() -> bytes:
    """A virtual disk of 2^60 bytes."""
    return patched("qcow2", (24, struct.pack(">Q", 1 << 60)))


def pack_of(*objects: bytes) -> bytes:
    """A git pack of encoded objects."""
    return b"PACK" + struct.pack(">II", 2, len(objects)) + b"".join(objects) + bytes(20)


def named_delta(name: bytes, delta: bytes) -> bytes:
    """An object that is a delta on the object with this name."""
    return bytes([7 << 4 | len(delta)]) + name + zlib.compress(delta)


def git_delta_on_itself() -> bytes:
    """A delta whose base stands zero bytes before it."""
    return pack_of(bytes([6 << 4 | 4, 0]) + zlib.compress(b"\4\4\x90\4"))


def git_delta_without_base() -> bytes:
    """A delta on an object that the pack does not hold."""
    return pack_of(named_delta(bytes(20), b"\4\4\x90\4"))


def git_deltas_that_double() -> bytes:
    """Twenty deltas, each of which makes the object before it twice as long."""
    size = 1000
    objects = [_head(3, size) + zlib.compress(bytes(size))]
    for _ in range(20):
        delta = _varint(size) + _varint(2 * size) + _copies(size) * 2
        back = _back(len(objects[-1]))
        objects.append(_head(6, len(delta)) + back + zlib.compress(delta))
        size *= 2
    return pack_of(*objects)


def _head(kind: int, size: int) -> bytes:
    """Kind and size of an object: four bits of the size first, then seven for each byte."""
    more = _varint(size >> 4) if size >> 4 else b""
    return bytes([kind << 4 | size & 15 | (0x80 if more else 0)]) + more


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _back(value: int) -> bytes:
    out = [value & 0x7F]
    while value := value >> 7:
        value -= 1
        out.insert(0, value & 0x7F | 0x80)
    return bytes(out)


def _copies(size: int) -> bytes:
    """Copies of ``size`` bytes from the start of the base, 16 MiB at most for each."""
    step = 0xFFFFFF
    starts = range(0, size, step)
    pieces = (
        b"\xff" + struct.pack("<I", at) + struct.pack("<I", min(step, size - at))[:3]
        for at in starts
    )
    return b"".join(pieces)


def sqlite_chain_in_a_circle() -> bytes:
    """Every overflow page names itself as the next."""
    image = bytearray(pack(ARCHIVES["SQLite"], CLEAN))
    for at in range(1024, len(image), 512):
        if image[at] == 0:
            image[at : at + 4] = struct.pack(">I", at // 512 + 1)
    return bytes(image)


def seven_zip_of_many_files() -> bytes:
    """A header that announces 2^32 files."""
    header = b"\1\5" + b"\xf0\xff\xff\xff\xff" + b"\0\0"
    first = struct.pack("<QQI", 0, len(header), zlib.crc32(header))
    return b"7z\xbc\xaf\x27\x1c\0\4" + struct.pack("<I", zlib.crc32(first)) + first + header


def ext4_folder_in_a_circle() -> bytes:
    """The folder ``sub`` holds the root under another name."""
    image = bytearray(pack(ARCHIVES["ext2"], CLEAN))
    at = image.index(b"\4\1note")
    struct.pack_into("<I", image, at - 6, 2)
    image[at + 1] = 2
    return bytes(image)


def ext4_tree_in_a_circle() -> bytes:
    """An extent tree whose root points at a block that points at itself."""
    image = bytearray(pack(ARCHIVES["ext4"], CLEAN))
    # the inode of key.gz, by its size, gets an index node that leads to block 900
    node = struct.pack("<HHHHI", 0xF30A, 1, 340, 4, 0) + struct.pack("<IIHH", 0, 900, 0, 0)
    size = len(gzip.compress(CLEAN, mtime=0))
    at = image.index(struct.pack("<I", size), 4096) - 4
    image[at + 40 : at + 40 + len(node)] = node
    image[900 * 1024 : 900 * 1024 + len(node)] = node
    return bytes(image)


def iso_folder_in_a_circle() -> bytes:
    """The folder SUB is the root again."""
    image = bytearray(pack(ARCHIVES["iso plain"], CLEAN))
    root = image[16 * 2048 + 158 : 16 * 2048 + 162]
    at = image.index(b"\3SUB") - 32
    image[at + 2 : at + 6] = root
    return bytes(image)


def squashfs_of_zeros() -> bytes:
    """An image whose tables all point at its front."""
    return patched("squashfs gzip", (64, bytes(32)))


#: Each with the gaps of which it must leave one; none: it reads like any other.
HOSTILE: dict[str, tuple[Callable[[], bytes], set[GapReason]]] = {
    "qcow2 in a circle": (qcow2_in_a_circle, set()),
    "qcow2 of an exabyte": (qcow2_of_an_exabyte, {GapReason.DAMAGED, GapReason.SIZE_LIMIT}),
    "git delta on itself": (git_delta_on_itself, {GapReason.DAMAGED}),
    "git delta without its base": (git_delta_without_base, {GapReason.UNREADABLE}),
    "git deltas that double": (git_deltas_that_double, {GapReason.SIZE_LIMIT}),
    "SQLite chain in a circle": (sqlite_chain_in_a_circle, {GapReason.DAMAGED}),
    "7z of 2^32 files": (seven_zip_of_many_files, {GapReason.MEMBER_LIMIT}),
    "ext4 folder in a circle": (ext4_folder_in_a_circle, set()),
    "ext4 tree in a circle": (ext4_tree_in_a_circle, {GapReason.DAMAGED}),
    "iso folder in a circle": (iso_folder_in_a_circle, set()),
    "squashfs of zeros": (squashfs_of_zeros, {GapReason.DAMAGED, GapReason.TRUNCATED}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_container_ends_with_its_gap(name, scan):
    """What leads nowhere, or to too much, is left, and said."""
    make, expected = HOSTILE[name]
    content, scanner = make(), standard_scanner(limits=Limits(hole_bytes=1 << 30))
    began = time.process_time()

    found = reasons(scan(content, scanner))

    assert time.process_time() - began < 30
    assert found & expected if expected else not found


@pytest.mark.parametrize("name", ["tar gnu", "zip deflate", "7z lzma2", "ext4", "squashfs gzip"])
def test_depth_ends_at_the_limit_in_every_kind(name, scan):
    """A container at the ninth level is a gap; at the eighth it is read."""
    inner = pack(ARCHIVES[name], CLEAN)
    for _ in range(8):
        inner = gzip.compress(inner, 1)

    assert GapReason.DEPTH_LIMIT in reasons(scan(inner))


def test_member_too_large_to_be_held_is_a_gap(scan):
    """A packed disk image beyond the memory that may be held is scanned raw only."""
    image = gzip.compress(pack(ARCHIVES["ext4"], CLEAN), 1)

    report = scan(image, standard_scanner(limits=Limits(held_bytes=1 << 20)))

    assert reasons(report) == {GapReason.SIZE_LIMIT}


def test_packed_image_that_can_be_held_is_read(scan):
    """The same image within the limit leaves no gap."""
    assert scan(gzip.compress(pack(ARCHIVES["ext4"], CLEAN), 1)).gaps == ()


def test_files_that_share_their_blocks_end_at_the_limit_of_unpacking(scan):
    """Many inodes on the same blocks unpack to no more than the limits allow."""
    limits = Limits(unpacked_bytes=10_000)

    assert GapReason.SIZE_LIMIT in reasons(
        scan(pack(ARCHIVES["squashfs gzip"], CLEAN), standard_scanner(limits=limits))
    )

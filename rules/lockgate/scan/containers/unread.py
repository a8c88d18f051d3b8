"""Formats that are recognised and have no reader yet: each is a gap, never silence."""

from __future__ import annotations

#: Magic at the start of a member, and the name shown in the gap.
_MAGICS: tuple[tuple[bytes, str], ...] = (
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\x02\x21\x4c\x18", "lz4 legacy"),
    (b"070701", "cpio"),
    (b"070702", "cpio"),
    (b"070707", "cpio"),
    (b"\xc7\x71", "cpio"),
    (b"\xed\xab\xee\xdb", "rpm"),
    (b"!<arch>\ndebian-binary", "deb"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"\x1f\x9d", "compress"),
    (b"\x1f\xa0", "compress"),
    (b"LZIP", "lzip"),
    (b"\x89LZO\x00\r\n\x1a\n", "lzop"),
    (b"MSCF\0\0\0\0", "cab"),
    (b"MDMP\x93\xa7", "minidump"),
    (b"PAGEDU64", "Windows crash dump"),
    (b"PAGEDUMP", "Windows crash dump"),
    (b"JAVA PROFILE 1.0.", "HPROF"),
    (b"KDUMP   ", "kdump"),
    (b"DISKDUMP", "diskdump"),
    (b"makedumpfile\0", "flattened kdump"),
    (b"QFI\xfb", "qcow2"),
    (b"KDMV", "vmdk"),
    (b"vhdxfile", "vhdx"),
    (b"hsqs", "squashfs"),
    (b"LUKS\xba\xbe", "LUKS"),
)


def unread_format(head: bytes) -> str | None:
    """The name of the format that ``head`` starts, if it is one without a reader."""
    return next((name for magic, name in _MAGICS if head.startswith(magic)), None)

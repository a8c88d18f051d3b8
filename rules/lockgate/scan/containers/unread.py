"""Formats that are recognised and have no reader yet: each is a gap, never silence."""

from __future__ import annotations

from lockgate.scan.containers.container import Problem
from lockgate.scan.report import GapReason

#: Magic at the start of a member, and the name shown in the gap.
_MAGICS: tuple[tuple[bytes, str], ...] = (
    (b"Rar!\x1a\x07", "rar"),
    (b"\x1f\x9d", "compress"),
    (b"\x1f\xa0", "compress"),
    (b"\x89LZO\x00\r\n\x1a\n", "lzop"),
    (b"MSCF\0\0\0\0", "cab"),
    (b"vhdxfile", "vhdx"),
    (b"MSWIM\0\0\0", "wim"),
    (b"xar!\0\x1c", "xar"),
    (b"\x60\xea", "arj"),
    (b"LRZI\0", "lrzip"),
    (b"conectix", "vhd"),
    (b"cxsparse", "vhd"),
    (b"XFSB\0\0", "XFS"),
    (b"sqsh", "squashfs in another byte order"),
)
#: The same for formats whose magic stands further behind: where, what, name.
_INNER_MAGICS: tuple[tuple[int, bytes, str], ...] = (
    (3, b"NTFS    ", "NTFS"),
    (3, b"EXFAT   ", "exFAT"),
    (0x36, b"FAT1", "FAT"),
    (0x52, b"FAT32   ", "FAT"),
    (0x20, b"NXSB", "APFS"),
    (0x200, b"LABELONE", "LVM"),
    (0x400, b"\x10\x20\xf5\xf2", "F2FS"),
    (0x8001, b"BEA01", "UDF"),
)
#: Windows hibernation files; the type of the image follows, a small number.
_HIBERNATION = frozenset({b"hibr", b"HIBR", b"wake", b"WAKE", b"rstr", b"RSTR"})


#: Volumes and files that only a password or a key opens.
_ENCRYPTED: tuple[tuple[int, bytes, str], ...] = (
    (0, b"LUKS\xba\xbe", "LUKS"),
    (3, b"-FVE-FS-", "BitLocker"),
    (0, b"Salted__", "openssl enc"),
    (0, b"age-encryption.org/v1\n", "age"),
    (0, b"-----BEGIN AGE ENCRYPTED FILE-----", "age"),
    (0, b"$ANSIBLE_VAULT;", "Ansible vault"),
)


def unread_format(head: bytes) -> Problem | None:
    """The gap of the format that ``head`` starts, if it is one without a reader."""
    for at, magic, name in _ENCRYPTED:
        if head.startswith(magic, at):
            return Problem(GapReason.ENCRYPTED, f"{name}: scanned raw only")
    unread = _name_of(head)
    if unread is None:
        return None
    return Problem(GapReason.UNSUPPORTED, f"{unread}: scanned raw only")


def _name_of(head: bytes) -> str | None:
    if head[:4] in _HIBERNATION and head[5:8] == bytes(3):
        return "hibernation file"
    named = (name for magic, name in _MAGICS if head.startswith(magic))
    inner = (name for at, magic, name in _INNER_MAGICS if head.startswith(magic, at))
    return next(named, None) or next(inner, None)

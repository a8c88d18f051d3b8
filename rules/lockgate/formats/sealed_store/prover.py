"""Settle the headers of stores that are sealed by a password.

Rules enforced here: a magic alone is nothing; the fields behind it must be those of the layout,
and the sealed part must be there and look random.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable

from lockgate.formats.rule_format import looks_random, moved, sealed_key
from lockgate.scan.evidence import Candidate, Judgement, Proven, Refuted

NAME = "sealed_store"

_LUKS = b"LUKS\xba\xbe"
_LUKS1_BYTES, _LUKS1_DIGEST = 592, slice(112, 132)
_LUKS2_SIZES = tuple(0x4000 << shift for shift in range(9))
_LUKS2_SALT = slice(104, 168)
_GUID = struct.Struct("<16s")
_LEAST_SEALED = 32


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of the rule, which begins at the magic."""
    data = candidate.window[candidate.match :]
    for magic, (judge, anywhere) in _STORES.items():
        if data.startswith(magic):
            if not anywhere and (not candidate.starts_member or candidate.match):
                return Refuted("not at the start of a file")
            length = judge(data)
            if length is None:
                return Refuted("the fields are not those of the layout")
            return moved(_sealed(data[:length]), candidate.window_offset + candidate.match)
    return Refuted("no magic")


def _sealed(store: bytes) -> Judgement:
    digest = hashlib.sha256(store).hexdigest()
    return Proven((sealed_key(NAME, "", 0, f"blob-sha256:{digest}", len(store)),))


def _luks1(data: bytes) -> int | None:
    """LUKS On-Disk Format Specification 1.2: names of cipher, mode and hash, then key slots."""
    names = (data[8:40], data[40:72], data[72:104])
    if len(data) < _LUKS1_BYTES or not all(_is_name(name) for name in names):
        return None
    return _LUKS1_BYTES if looks_random(data[_LUKS1_DIGEST]) else None


def _luks2(data: bytes) -> int | None:
    """LUKS2 On-Disk Format Specification: a binary header and an area of JSON."""
    (size,) = struct.unpack_from(">Q", data.ljust(16, b"\0"), 8)
    area = data[4096:size]
    if size not in _LUKS2_SIZES or not looks_random(data[_LUKS2_SALT]):
        return None
    return (
        min(size, len(data)) if area.lstrip().startswith(b"{") and b'"keyslots"' in area else None
    )


def _is_name(field: bytes) -> bool:
    name = field.rstrip(b"\0")
    return 0 < len(name) < len(field) and name.isascii() and name.decode().isprintable()


def _dpapi(data: bytes) -> int | None:
    """[MS-BKRP] and public descriptions of DPAPI blobs: fields, some behind their lengths."""
    at = 4 + _GUID.size + 4 + _GUID.size + 4  # to the length of the description
    for before, after in ((0, 8), (0, 0), (0, 8), (0, 0), (0, 0), (0, 0)):
        length = _field(data, at + before)
        if length is None:
            return None
        at += before + 4 + length + after
    sealed = data[:at]
    return at if len(sealed) == at and looks_random(sealed[-64:]) else None


def _field(data: bytes, at: int) -> int | None:
    """The length at ``at``, of something that is whole in the data."""
    if at + 4 > len(data):
        return None
    (length,) = struct.unpack_from("<I", data, at)
    return length if at + 4 + length <= len(data) else None


def _master_key(data: bytes) -> int | None:
    """A DPAPI master key file: its GUID as text, flags, lengths of its parts."""
    guid = data[12:84].decode("utf-16-le", errors="replace")
    if len(data) < 128 or [guid[i : i + 1] for i in (8, 13, 18, 23)] != ["-"] * 4:
        return None
    lengths = struct.unpack_from("<4Q", data, 96)
    whole = 128 + sum(lengths)
    if not _LEAST_SEALED <= lengths[0] < whole <= len(data):
        return None
    return whole if looks_random(data[160 : 128 + lengths[0]]) else None


def _keepass(data: bytes) -> int | None:
    """KDB and KDBX: version, then fields up to the sealed part."""
    return len(data) if len(data) > 256 and looks_random(data[-128:]) else None


_STORES: dict[bytes, tuple[Callable[[bytes], int | None], bool]] = {
    _LUKS + b"\0\1": (_luks1, True),
    _LUKS + b"\0\2": (_luks2, True),
    bytes.fromhex("01000000d08c9ddf0115d1118c7a00c04fc297eb"): (_dpapi, True),
    bytes.fromhex("020000000000000000000000"): (_master_key, False),
    bytes.fromhex("03d9a29a"): (_keepass, False),
}

"""The checksums and inner structures by which services make their tokens checkable offline.

Sources: GitHub, "Behind GitHub's new authentication token formats" (2021), and npm's of the same
year (CRC-32 in base 62); Grafana, satokengen (CRC-32 in hex, low byte first); GitLab, "Routable
tokens" (length and CRC-32 in base 36); PyPI, macaroons of version 2 (libmacaroons).
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator

from lockgate.formats.plain_text import decode_base64

_BASE62 = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BASE36 = b"0123456789abcdefghijklmnopqrstuvwxyz"


def _encode(number: int, alphabet: bytes, width: int) -> bytes:
    digits = bytearray()
    while number:
        number, digit = divmod(number, len(alphabet))
        digits.append(alphabet[digit])
    return bytes(reversed(digits)).rjust(width, alphabet[:1])


def crc_base62(token: bytes) -> bool:
    """The last six characters are the CRC-32 of those between the prefix and them."""
    body = token.partition(b"_")[2]
    return _encode(zlib.crc32(body[:-6]), _BASE62, 6) == body[-6:]


def grafana(token: bytes) -> bool:
    """The last eight characters are the CRC-32 of the rest."""
    checked, _, checksum = token.rpartition(b"_")
    return zlib.crc32(checked).to_bytes(4, "little").hex().encode() == checksum.lower()


def gitlab_routable(token: bytes) -> bool:
    """The last seven characters are the CRC-32 of the rest."""
    return _encode(zlib.crc32(token[:-7]), _BASE36, 7) == token[-7:]


def pypi(token: bytes) -> bool:
    """A macaroon of PyPI: location, identifier, caveats, and a signature of 32 bytes at its end."""
    data = decode_base64(token.removeprefix(b"pypi-"))
    if data is None or data[:1] != b"\2":
        return False
    fields = list(_macaroon_fields(data))
    locations = {value for kind, value in fields if kind == 1}
    return (
        locations <= {b"pypi.org", b"test.pypi.org"}
        and len(fields) >= 3
        and fields[-1][0] == 6
        and len(fields[-1][1]) == 32
    )


def _macaroon_fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and value of each field; nothing when the structure is broken."""
    at = 1
    found: list[tuple[int, bytes]] = []
    while at < len(data):
        kind = data[at]
        at += 1
        if kind == 0:
            continue
        length = shift = 0
        while at < len(data) and shift < 28:
            length |= (data[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if data[at - 1] < 0x80:
                break
        if at + length > len(data):
            return
        found.append((kind, data[at : at + length]))
        at += length
    yield from found


def json_inside(token: bytes) -> bool:
    """Behind the first underscore stands a JSON object in base64."""
    text = token.partition(b"_")[2].partition(b"_")[0]
    try:
        return isinstance(json.loads(decode_base64(text) or b""), dict)
    except (ValueError, RecursionError):
        return False

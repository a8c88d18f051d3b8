"""Public numbers announced by a fixed header: RSA moduli, and the headers of ``points``.

Rules enforced here:

1. What is harvested here is public or only a number; it is never a finding by itself. It
   seeds the searches that divide into moduli and look scalars up among points.
2. A modulus counts only with its public exponent beside it (RFC 8017 A.1.1, RFC 4253 6.6).
   An INTEGER of a key's size without one may be a bare factor left of a damaged structure.
"""

from __future__ import annotations

import struct

from lockgate.scan.blocks import Block
from lockgate.scan.search import points
from lockgate.scan.search.numbers import Number, NumberPool
from lockgate.scan.search.points import Points
from lockgate.scan.walk import Place

NAMESPACE = "lockgate.public"

#: Sizes of INTEGER contents that are looked for: 512 to 8192 bits, with their leading zero.
_INTEGER_BYTES = (65, 97, 129, 193, 257, 385, 513, 1025)


def _integer_header(length: int) -> bytes:
    size = bytes([length]) if length < 0x80 else length.to_bytes(2, "big").lstrip(b"\0")
    prefix = b"" if length < 0x80 else bytes([0x80 | len(size)])
    return b"\x02" + prefix + size + b"\0"


def _rule(name: str, pattern: bytes) -> str:
    return f"rule {name} {{ strings: $a = {{ {pattern.hex(' ')} }} condition: $a }}"


def rule_source() -> str:
    """YARA rules for all headers; a two-byte header (512 bits) would match too often."""
    rules = [
        _rule(f"integer_{length}", _integer_header(length))
        for length in _INTEGER_BYTES
        if length > 0x80
    ]
    rules.append(_rule("ssh_rsa", b"\0\0\0\x07ssh-rsa"))
    return "\n".join((*rules, points.rule_source()))


class Anchors:
    """Parses what stands behind a header into the pools of numbers and of points."""

    def __init__(self, pool: NumberPool, known: Points) -> None:
        self._pool = pool
        self._points = known

    def match(self, rule: str, start: int, block: Block, place: Place) -> None:
        """Take the number or point behind the header at ``start`` of the block."""
        if rule.startswith(points.RULE):
            self._points.match(rule, start, block.data)
        elif rule == "ssh_rsa":
            self._ssh(block.data, start + 11)
        else:
            self._integer(int(rule.removeprefix("integer_")), start, block, place)

    def _integer(self, length: int, start: int, block: Block, place: Place) -> None:
        first = start + len(_integer_header(length))
        content = block.data[first : first + length - 1]
        if len(content) < length - 1 or content[0] < 0x80:
            return
        value = int.from_bytes(content, "big")
        exponent = _small_integer(block.data[first + length - 1 : first + length + 9])
        if exponent is not None:
            self._pool.add_modulus(value, exponent)
        number = Number(value, place, block.offset + first, length - 1, "der-integer")
        self._pool.add_factor(number)

    def _ssh(self, data: bytes, at: int) -> None:
        """``mpint e`` and ``mpint n`` behind the algorithm's name (RFC 4253 section 6.6)."""
        exponent, at = _mpint(data, at)
        modulus, _ = _mpint(data, at)
        if 2 < exponent < 1 << 64 and modulus:
            self._pool.add_modulus(modulus, exponent)


def _small_integer(data: bytes) -> int | None:
    """A positive odd INTEGER of at most 8 bytes at the start of ``data``."""
    if len(data) < 3 or data[0] != 2 or not 1 <= data[1] <= 8 or len(data) < 2 + data[1]:
        return None
    value = int.from_bytes(data[2 : 2 + data[1]], "big", signed=True)
    return value if value > 2 and value & 1 else None


def _mpint(data: bytes, at: int) -> tuple[int, int]:
    """The mpint at ``at`` and the place behind it; 0 when there is none of sane size."""
    if at + 4 > len(data):
        return 0, len(data)
    (length,) = struct.unpack_from(">I", data, at)
    stop = at + 4 + length
    if length > 2048 + 1 or stop > len(data):
        return 0, len(data)
    return int.from_bytes(data[at + 4 : stop], "big"), stop

"""Memory layouts of systems that do not run here, written from their published descriptions.

Marked ``synthetic`` in the truth and totalled apart: they show that the layout is understood,
not that a real program was.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass

from forms import digits
from keys import Key


@dataclass(frozen=True, slots=True)
class Writer:
    """One layout: memory around the key is random small data."""

    library: str
    kind: str
    layout: Callable[[Key], bytes]

    @property
    def name(self) -> str:
        """E.g. ``synthetic-cng-rsa2048``."""
        return f"synthetic-{self.library}-{self.kind}"

    def write(self, key: Key) -> bytes:
        """The layout in the middle of 256 KiB of heap-like bytes."""
        return _heap(1024) + self.layout(key) + _heap(1024)


def _heap(blocks: int) -> bytes:
    """Pointers, small numbers, text and free space, as a heap has."""
    block = struct.pack("<4Q", 0x31, 0x7F3A00001000, 3, 0) + b"a string of text".ljust(32, b"\0")
    return (block + bytes(64)) * blocks


def _be(key: Key, *parts: str) -> bytes:
    return b"".join(key.numbers[p][0].to_bytes(key.numbers[p][1], "big") for p in parts)


def _le(key: Key, *parts: str) -> bytes:
    return b"".join(key.numbers[p][0].to_bytes(key.numbers[p][1], "little") for p in parts)


def _cng_rsa(key: Key) -> bytes:
    """BCRYPT_RSAFULLPRIVATE_BLOB of Microsoft's documentation: big-endian numbers."""
    whole = key.numbers["n"][1]
    head = struct.pack("<4s5I", b"RSA3", whole * 8, 3, whole, whole // 2, whole // 2)
    return head + b"\x01\x00\x01" + _be(key, "n", "p", "q", "dp", "dq", "qi", "d")


def _cng_ec(key: Key) -> bytes:
    """BCRYPT_ECCPRIVATE_BLOB: X, Y and d big-endian."""
    return struct.pack("<4sI", b"ECS2", 32) + _be(key, "x", "y", "d")


def _capi(key: Key) -> bytes:
    """PRIVATEKEYBLOB of CryptoAPI: little-endian numbers."""
    whole = key.numbers["n"][1]
    head = bytes.fromhex("0702000000a40000") + struct.pack("<4s2I", b"RSA2", whole * 8, 65537)
    return head + _le(key, "n", "p", "q", "dp", "dq", "qi", "d")


def _symcrypt(key: Key) -> bytes:
    """SymCrypt's heap objects: a 32-byte head with a type tag, then little-endian digits."""

    def number(tag: int, part: str) -> bytes:
        content = _le(key, part)
        head = struct.pack("<4I", tag << 16, len(content) // 64, len(content) + 32, 0)
        return head + os.urandom(16) + content

    parts = [(0x6D4D, "n"), (0x6D4D, "p"), (0x6D4D, "q"), (0x6749, "d"), (0x6749, "dp"),
             (0x6749, "dq"), (0x6749, "qi")]  # fmt: skip
    return b"".join(number(tag, part) + _heap(1) for tag, part in parts)


def _dotnet(key: Key) -> bytes:
    """Byte arrays of the CLR: method table, length, big-endian content."""

    def array(part: str) -> bytes:
        content = _be(key, part)
        return struct.pack("<QII", 0x7FFA12345678, len(content), 0) + content

    return b"".join(array(part) + _heap(1) for part in ("n", "d", "p", "q", "dp", "dq", "qi"))


def _digits(bits: int, word: int) -> Callable[[Key], bytes]:
    def layout(key: Key) -> bytes:
        parts = ("n", "d", "p", "q", "dp", "dq", "qi")
        return b"".join(digits(key.numbers[p][0], bits, word) + _heap(1) for p in parts)

    return layout


def _apple_ccec(key: Key) -> bytes:
    """Corecrypto's full EC key: x, y, z = 1 and k as little-endian words."""
    one = (1).to_bytes(key.numbers["d"][1], "little")
    return _le(key, "x", "y") + one + _le(key, "d")


#: The layouts that are written.
ALL: tuple[Writer, ...] = (
    Writer("cng", "rsa2048", _cng_rsa),
    Writer("cng", "p256", _cng_ec),
    Writer("capi", "rsa2048", _capi),
    Writer("symcrypt", "rsa2048", _symcrypt),
    Writer("dotnet", "rsa3072", _dotnet),
    Writer("tommath28", "rsa2048", _digits(28, 32)),
    Writer("corecrypto", "p256", _apple_ccec),
)

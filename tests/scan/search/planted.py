"""Keys written into made-up memory in the layouts of libraries, for the searches to find."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

from lockgate.scan.prove import ec, edwards
from lockgate.scan.prove.primes import FIELDS

#: Test keys only: everything here is drawn from a seeded generator.
CURVES = ("P-256", "P-384", "P-521", "secp256k1")


class Memory:
    """Grows like a heap: small words and pointers, and between them what is planted."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self._data = bytearray()
        self.filler(64)

    def filler(self, words: int) -> None:
        """Small words and pointers."""
        for _ in range(words):
            pointer = 0x7F0000000000 + self.chance.randrange(1 << 36) * 8
            word = self.chance.choice((pointer, self.chance.randrange(300), 0))
            self._data += struct.pack("<Q", word)

    def plant(self, content: bytes, shift: int = 0, before: bytes = b"") -> None:
        """``content`` at an address that is ``shift`` modulo 8, with ``before`` just before it."""
        self.filler(self.chance.randrange(3, 9))
        self._data += bytes((shift - len(before)) % 8) + before + content
        self._data += bytes(-len(self._data) % 8)
        self.filler(self.chance.randrange(3, 9))

    def content(self) -> bytes:
        """All of it."""
        return bytes(self._data) + bytes(4096)


def digits(number: int, bits: int, width: int, size: int) -> bytes:
    """``size`` bits of a number in digits of ``bits`` bits in words of ``width``."""
    count = -(-size // bits)
    mask = (1 << bits) - 1
    words = (number >> bits * i & mask for i in range(count))
    return b"".join(word.to_bytes(width // 8, "little") for word in words)


def ints(number: int, size: int) -> bytes:
    """Java's ``int[]``, with the header of the array before it."""
    count = -(-size // 32)
    body = b"".join(struct.pack("<I", number >> 32 * i & 0xFFFFFFFF) for i in range(count))
    words = [body[at : at + 4] for at in range(0, len(body), 4)]
    return struct.pack("<QII", 1, 0x80020000, count) + b"".join(reversed(words))


def limbs(number: int, size: int) -> bytes:
    """Little-endian 64-bit limbs."""
    return number.to_bytes(8 * -(-size // 64), "little")


class EcKey:
    """A test key."""

    def __init__(self, name: str, chance: random.Random) -> None:
        self.curve = ec.CURVES[name]
        self.d = chance.randrange(1, self.curve.order)
        self.point = ec.public_point(self.curve, self.d)
        self.fingerprint = ec.fingerprint(self.curve, self.point)

    @property
    def x(self) -> int:
        """The public X coordinate."""
        return int.from_bytes(self.point[1 : 1 + self.curve.size], "big")

    def montgomery(self, bits: int) -> int:
        """X in Montgomery form."""
        return (self.x << bits) % FIELDS[self.curve.name]


#: ``(content, address modulo 8, what stands before)`` of a key in a layout.
_Layout = Callable[[EcKey], tuple[bytes, int, bytes]]


def _padded(key: EcKey) -> tuple[bytes, bytes, int]:
    """Big-endian bytes, the zero that a signed number needs, and the length with it."""
    big = key.d.to_bytes(key.curve.size, "big")
    pad = b"\0" if big[0] >= 0x80 else b""
    return big, pad, len(big) + len(pad)


def _mpint(key: EcKey) -> tuple[bytes, int, bytes]:
    big, pad, size = _padded(key)
    return big, 5, size.to_bytes(4, "big") + pad


def _expression(key: EcKey) -> tuple[bytes, int, bytes]:
    big, pad, size = _padded(key)
    return big, 1, b"d\x01" + size.to_bytes(2, "little") + pad


def _hprof_ints(key: EcKey) -> tuple[bytes, int, bytes]:
    count = -(-key.curve.size // 4)
    return key.d.to_bytes(4 * count, "big"), 7, count.to_bytes(4, "big") + b"\x0a"


def _cpython(key: EcKey) -> tuple[bytes, int, bytes]:
    head = struct.pack("<QQQ", 2, 0x7F0000001000, -(-key.curve.bits // 30))
    return head + digits(key.d, 30, 32, key.curve.bits), 0, b""


def _bit_string(key: EcKey) -> tuple[bytes, int, bytes]:
    size = len(key.point) + 1
    length = bytes((size,)) if size < 128 else bytes((0x81, size))
    return key.point, 5, b"\x03" + length + b"\0"


_SYMCRYPT_FORMS = {256: 512, 384: 512, 521: 1024}
_PRIVATE: dict[str, _Layout] = {
    "limbs": lambda k: (limbs(k.d, k.curve.bits), 0, b""),
    "limbs at 4": lambda k: (limbs(k.d, k.curve.bits), 4, b""),
    "big-endian": lambda k: (k.d.to_bytes(k.curve.size, "big"), 0, b""),
    "big-endian at 4": lambda k: (k.d.to_bytes(k.curve.size, "big"), 4, b""),
    "int[]": lambda k: (ints(k.d, k.curve.bits), 0, b""),
    "CPython": _cpython,
    "libtommath 60": lambda k: (digits(k.d, 60, 64, k.curve.bits), 0, b""),
    "libtommath 28": lambda k: (digits(k.d, 28, 32, k.curve.bits), 0, b""),
    "DER": lambda k: (k.d.to_bytes(k.curve.size, "big"), 3, b"\4" + bytes((k.curve.size,))),
    "SSH mpint": _mpint,
    "HPROF int[]": _hprof_ints,
    "libgcrypt": _expression,
}
_PUBLIC: dict[str, _Layout] = {
    "limbs": lambda k: (limbs(k.x, k.curve.bits), 0, b""),
    "Montgomery": lambda k: (
        limbs(k.montgomery(64 * -(-k.curve.bits // 64)), k.curve.bits), 0, b""
    ),
    "Montgomery of SymCrypt": lambda k: (
        limbs(k.montgomery(_SYMCRYPT_FORMS[k.curve.bits]), k.curve.bits), 0, b""
    ),
    "CPython": lambda k: (digits(k.x, 30, 32, k.curve.bits), 0, b""),
    "libtommath 60": lambda k: (digits(k.x, 60, 64, k.curve.bits), 0, b""),
    "libtommath 28": lambda k: (digits(k.x, 28, 32, k.curve.bits), 0, b""),
    "big-endian": lambda k: (k.point[1 : 1 + k.curve.size], 0, b""),
    "int[]": lambda k: (ints(k.x, k.curve.bits), 0, b""),
    "point": lambda k: (k.point, 0, b""),
    "compressed point": lambda k: (
        bytes((2 | k.point[-1] & 1,)) + k.point[1 : 1 + k.curve.size], 0, b""
    ),
    "BIT STRING": _bit_string,
    "HPROF byte[]": lambda k: (k.point, 3, len(k.point).to_bytes(4, "big") + b"\x08"),
}  # fmt: skip
PRIVATE_LAYOUTS = tuple(_PRIVATE)
PUBLIC_LAYOUTS = tuple(_PUBLIC)


def plant_private(memory: Memory, layout: str, key: EcKey) -> None:
    """The scalar in one of PRIVATE_LAYOUTS."""
    memory.plant(*_PRIVATE[layout](key))


def plant_public(memory: Memory, layout: str, key: EcKey) -> None:
    """The point in one of PUBLIC_LAYOUTS."""
    memory.plant(*_PUBLIC[layout](key))


def ed25519(seed: bytes) -> tuple[bytes, str]:
    """Public key and fingerprint."""
    public = edwards.public_key("Ed25519", seed)
    return public, edwards.fingerprint("Ed25519", public)

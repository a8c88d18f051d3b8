"""Numbers as programs write them, and memory to plant them in. Nothing of lockgate is used."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterable

from cryptography.hazmat.primitives.asymmetric import rsa


def limbs(value: int, width: int = 8) -> bytes:
    """Limbs of ``width`` bytes, the lowest first: GMP, OpenSSL, mbedTLS, wolfSSL, Go."""
    return value.to_bytes(-(-value.bit_length() // (8 * width)) * width, "little")


def half_limbs(value: int) -> bytes:
    """The same as a 32-bit program leaves them: at four bytes, not eight."""
    return bytes(4) + limbs(value, 4) + bytes(4)


def big_endian(value: int) -> bytes:
    """Bytes, the highest first: NSS, DER, Java's serialised form."""
    return value.to_bytes(-(-value.bit_length() // 8), "big")


def int_array(value: int) -> bytes:
    """Words of 32 bits, the highest first, each little-endian: Java's BigInteger.mag."""
    content = value.to_bytes(-(-value.bit_length() // 32) * 4, "big")
    return b"".join(content[at : at + 4][::-1] for at in range(0, len(content), 4))


def digits(bits: int, width: int) -> Callable[[int], bytes]:
    """Digits of ``bits`` bits in words of ``width`` bytes: CPython, libtommath."""

    def write(value: int) -> bytes:
        written = b""
        while value:
            written += (value & ((1 << bits) - 1)).to_bytes(width, "little")
            value >>= bits
        return written

    return write


def ordinary_rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """A fresh test key none of whose public numbers and primes goes unseen by chance."""
    while True:
        key = rsa.generate_private_key(65537, bits)
        numbers = key.private_numbers()
        if all(map(is_ordinary, (numbers.p, numbers.q, numbers.public_numbers.n))):
            return key


def is_ordinary(value: int) -> bool:
    """Whether no word of it at a multiple of four bytes looks like a small number or a pointer.

    One number of some thousands is not, and may go unseen (``losses.py`` counts how many).
    """
    content = bytes(8) + limbs(value) + bytes(8)
    places = range(12, len(content) - 12, 4)
    words = [int.from_bytes(content[at : at + 8], "little") for at in places]
    return all(
        1 << 47 <= word < (1 << 64) - (1 << 47) and word.to_bytes(8, "little").count(0) < 3
        for word in words
    )


FORMS: dict[str, Callable[[int], bytes]] = {
    "limbs": limbs,
    "half-limbs": half_limbs,
    "big-endian": big_endian,
    "int-array": int_array,
    "digits-60": digits(60, 8),
    "digits-30": digits(30, 4),
    "digits-28": digits(28, 4),
    "high-limb-first": lambda v: b"".join(
        limbs(v)[at : at + 8] for at in range(len(limbs(v)) - 8, -8, -8)
    ),
    "swapped-limbs": lambda v: b"".join(
        limbs(v)[at : at + 8][::-1] for at in range(0, len(limbs(v)), 8)
    ),
}


def noise(chance: random.Random, size: int) -> bytes:
    """What stands around numbers in a heap: pointers, small numbers, text."""
    content = b""
    while len(content) < size:
        content += chance.choice(
            (
                struct.pack("<Q", 0x7F00_0000_0000 + chance.randrange(1 << 40)),
                struct.pack("<Q", chance.randrange(1 << 20)),
                b"some text words.",
            )
        )
    return content[: size // 8 * 8]


def memory(written: Iterable[bytes], *, shift: int = 0, seed: int = 7) -> bytes:
    """A heap in which each of the byte strings is an allocation, ``shift`` bytes into it."""
    chance = random.Random(seed)
    content = noise(chance, 4096)
    for number in written:
        content += struct.pack("<QQ", 0, 0x91) + bytes(shift) + number
        content += bytes(-len(content) % 16 + 16) + noise(chance, 640)
        content += bytes(-len(content) % 16)
    return content

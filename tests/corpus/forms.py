"""How a number, an encoding or an AES key can stand in memory: bytes to look for.

Sources: the FIPS 197 key expansion; the digit widths of CPython (30 bits in 32), libtommath (60
in 64, 28 in 32), GMP, OpenSSL and the like (full words); BigInteger of OpenJDK (32-bit words,
most significant first).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

#: Significant bits and bits stored, of digits that do not fill their word.
DIGITS = ((30, 32), (15, 16), (28, 32), (60, 64), (52, 64), (56, 64), (58, 64), (26, 32), (29, 32))
#: The digit forms that widespread software keeps; the others are looked for and not asked for.
COMMON_DIGITS = frozenset({"digits30in32", "digits28in32", "digits60in64"})


def number_forms(value: int, size: int) -> dict[str, bytes]:
    """The raw forms of an integer of ``size`` bytes."""
    big = value.to_bytes(size, "big")
    padded = value.to_bytes(-(-size // 8) * 8, "big")
    forms = {
        "be": big,
        "le": big[::-1],
        "words32": b"".join(padded[i : i + 4][::-1] for i in range(0, len(padded), 4)),
        "words64": b"".join(padded[i : i + 8][::-1] for i in range(0, len(padded), 8)),
    }
    forms |= {f"digits{b}in{w}": digits(value, b, w) for b, w in DIGITS}
    return forms


def digits(value: int, bits: int, word: int) -> bytes:
    """Little-endian digits of ``bits`` bits, each in a word of ``word`` bits."""
    out = bytearray()
    while value:
        out += (value & ((1 << bits) - 1)).to_bytes(word // 8, "little")
        value >>= bits
    return bytes(out)


def montgomery(value: int, prime: int, size: int) -> bytes:
    """A field element times 2^(64 * words), little-endian, as Montgomery arithmetic keeps it."""
    width = -(-size // 8) * 8
    return ((value << (8 * width)) % prime).to_bytes(width, "little")


def text_forms(value: bytes) -> dict[str, bytes]:
    """The text forms of a number that stands alone (big-endian bytes)."""
    return {
        "hex": value.hex().encode(),
        "HEX": value.hex().upper().encode(),
        "colons": value.hex(":").encode(),
        "base64url": base64.urlsafe_b64encode(value).rstrip(b"="),
        "decimal": str(int.from_bytes(value, "big")).encode(),
    }


#: Line breaks of base64 text, by the name of the text form.
_BREAKS = {"base64": "", "pem": "\n", "pem-crlf": "\r\n", "pem-escaped": "\\n"}
TEXT_FORMS = (*_BREAKS, "pem-utf16")
_LINE = 64


def encoding_forms(der: bytes) -> dict[str, bytes]:
    """The forms of a complete DER encoding."""
    return {"der": der, "hex": binascii.hexlify(der)} | part_forms(der, 0, len(der))


def part_forms(der: bytes, begin: int, end: int) -> dict[str, bytes]:
    """The base64 text of a part of an encoding, as it stands inside the text of the whole.

    Up to two bytes at either end of the part are left out, where base64 mixes them with others.
    """
    body = base64.b64encode(der).decode()
    last = len(body) if end == len(der) else end // 3 * 4
    places = range(-(-begin // 3) * 4, last)
    forms = {}
    for name, line_break in _BREAKS.items():
        text = "".join(
            (line_break if at % _LINE == 0 and at > places.start else "") + body[at]
            for at in places
        )
        forms[name] = text.encode()
    forms["pem-utf16"] = forms["pem"].decode().encode("utf-16-le")
    return forms


def _times(a: int, b: int) -> int:
    """Multiplication in the field of FIPS 197, section 4.2."""
    out = 0
    while b:
        if b & 1:
            out ^= a
        a = a << 1 ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return out


def _substitution() -> bytes:
    """The S-box of FIPS 197, section 5.1.1."""
    box = bytearray(256)
    for value in range(256):
        inverse = next((x for x in range(256) if _times(value, x) == 1), 0)
        out = 0x63
        for shift in range(5):
            out ^= (inverse << shift | inverse >> (8 - shift)) & 0xFF
        box[value] = out
    return bytes(box)


_SBOX = _substitution()


def expand(key: bytes) -> list[bytes]:
    """The round keys of FIPS 197, section 5.2: 16 bytes each."""
    width = len(key) // 4
    words = [key[i : i + 4] for i in range(0, len(key), 4)]
    constant = 1
    while len(words) < 4 * (width + 7):
        word = words[-1]
        if len(words) % width == 0:
            word = bytes(_SBOX[b] for b in word[1:] + word[:1])
            word = bytes([word[0] ^ constant]) + word[1:]
            constant = _times(constant, 2)
        elif width > 6 and len(words) % width == 4:
            word = bytes(_SBOX[b] for b in word)
        words.append(bytes(a ^ b for a, b in zip(word, words[-width], strict=True)))
    return [b"".join(words[i : i + 4]) for i in range(0, len(words), 4)]


def _mixed_back(block: bytes) -> bytes:
    """InvMixColumns of FIPS 197, section 5.3.3."""
    out = bytearray()
    for column in range(0, 16, 4):
        a = block[column : column + 4]
        for row in range(4):
            factors = (14, 11, 13, 9)
            value = 0
            for i in range(4):
                value ^= _times(a[(row + i) % 4], factors[i])
            out.append(value)
    return bytes(out)


def _swapped(schedule: bytes) -> bytes:
    return b"".join(schedule[i : i + 4][::-1] for i in range(0, len(schedule), 4))


def schedule_forms(key: bytes) -> dict[str, bytes]:
    """An AES key schedule in the directions and byte orders that libraries keep."""
    return dict(_schedules(expand(key)))


def _schedules(rounds: list[bytes]) -> Iterator[tuple[str, bytes]]:
    inner = [_mixed_back(block) for block in rounds[1:-1]]
    forward = [rounds[0], *inner, rounds[-1]]
    orders = {
        "encrypt": rounds,
        "decrypt-reversed": [*reversed(forward)],
        "decrypt-forward": forward,
        "encrypt-reversed": [*reversed(rounds)],
        "decrypt-rotated": [*forward[1:], forward[0]],
        "decrypt-reversed-rotated": [*reversed(forward[1:]), forward[0]],
    }
    for name, blocks in orders.items():
        schedule = b"".join(blocks)
        yield name, schedule
        yield f"{name}-swapped", _swapped(schedule)

"""Bech32 (BIP 173) without its limit of 90 characters, as age uses it."""

from __future__ import annotations

_ALPHABET = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUM_CHARACTERS = 6


def decode(prefix: bytes, text: bytes) -> bytes | None:
    """The bytes that ``text`` after the separator stands for; None when the checksum is wrong.

    Args:
        prefix: the human-readable part, in capitals.
        text: data and checksum, in capitals.
    """
    values = [_ALPHABET.find(c) for c in text.lower()]
    if not text.isupper() or min(values, default=-1) < 0 or len(values) <= _CHECKSUM_CHARACTERS:
        return None
    low = prefix.lower()
    if _polymod([c >> 5 for c in low] + [0] + [c & 31 for c in low] + values) != 1:
        return None
    return _regroup(values[:-_CHECKSUM_CHARACTERS])


def _polymod(values: list[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATOR):
            if top >> bit & 1:
                check ^= generator
    return check


def _regroup(values: list[int]) -> bytes | None:
    """Groups of five bits as bytes; None when the padding is not zero."""
    number = 0
    for value in values:
        number = number << 5 | value
    spare = len(values) * 5 % 8
    if spare >= 5 or number & ((1 << spare) - 1):
        return None
    return (number >> spare).to_bytes(len(values) * 5 // 8, "big")

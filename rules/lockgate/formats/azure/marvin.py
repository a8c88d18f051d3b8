"""Marvin32, the keyed checksum of Azure's identifiable keys.

Source: Microsoft's published description of the algorithm (US patent 9,031,228; .NET).
"""

from __future__ import annotations

_MASK = 0xFFFFFFFF


def _rotate(value: int, count: int) -> int:
    return (value << count | value >> (32 - count)) & _MASK


def _mix(low: int, high: int) -> tuple[int, int]:
    high ^= low
    low = _rotate(low, 20)
    low = (low + high) & _MASK
    high = _rotate(high, 9) ^ low
    low = (_rotate(low, 27) + high) & _MASK
    return low, _rotate(high, 19)


def checksum(data: bytes, seed: int) -> bytes:
    """The checksum of four bytes; ``seed`` has 64 bits."""
    low, high = seed & _MASK, seed >> 32
    padded = data + b"\x80"
    padded += bytes(-len(padded) % 4)
    for at in range(0, len(padded), 4):
        low, high = _mix((low + int.from_bytes(padded[at : at + 4], "little")) & _MASK, high)
    low, high = _mix(low, high)
    return (low ^ high).to_bytes(4, "little")

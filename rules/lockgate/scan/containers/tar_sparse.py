"""Sparse members of tar (GNU tar manual, appendix D): where their stored pieces belong.

Rules enforced here:

1. A map lists pieces in order; one that overlaps the piece before is damage, and the member is
   then scanned as it is stored.
2. Holes are zeros that cost nothing; a map has as many pieces as the limit at most.
"""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.scan.source import Stream, zeros

_BLOCK = 512
#: Pieces of one member.
_PIECES = 200_000

Piece = tuple[int, int]


def read_old_map(stream: Stream, header: bytes) -> list[Piece] | None:
    """The map in an old GNU header and in the blocks behind it, which are consumed."""
    pieces, more = _old_pieces(header[386:482]), bool(header[482])
    while more:
        block = stream.read(_BLOCK)
        if len(block) < _BLOCK or len(pieces) > _PIECES:
            return None
        pieces += _old_pieces(block[:504])
        more = bool(block[504])
    return pieces


def _old_pieces(fields: bytes) -> list[Piece]:
    pairs = (fields[at : at + 24] for at in range(0, len(fields), 24))
    numbers = ((number(pair[:12]), number(pair[12:])) for pair in pairs if pair[:1] != b"\0")
    return [(offset, length) for offset, length in numbers if offset is not None and length]


def read_map_in_content(stream: Stream) -> list[Piece] | None:
    """The map of version 1.0: decimal lines in front of the content, padded to a block."""
    start = stream.position
    count = _line(stream)
    if count is None or count > _PIECES:
        return None
    numbers = [_line(stream) for _ in range(2 * count)]
    if None in numbers:
        return None
    stream.skip(-(stream.position - start) % _BLOCK)
    given = [n for n in numbers if n is not None]
    return list(zip(given[::2], given[1::2], strict=True))


def _line(stream: Stream) -> int | None:
    digits, end, _ = stream.peek(24).partition(b"\n")
    if not end or not digits.isdigit():
        return None
    stream.skip(len(digits) + 1)
    return int(digits)


def parse_map(text: bytes) -> list[Piece] | None:
    """The map of version 0.1: offsets and lengths with commas between."""
    fields = text.split(b",")
    if len(fields) % 2 or len(fields) > 2 * _PIECES or not all(f.isdigit() for f in fields):
        return None
    return [(int(o), int(n)) for o, n in zip(fields[::2], fields[1::2], strict=True)]


def is_in_order(pieces: list[Piece], stored: int) -> bool:
    """Whether the pieces follow one another and are as many bytes as are stored."""
    at = 0
    for offset, length in pieces:
        if offset < at:
            return False
        at = offset + length
    return sum(length for _, length in pieces) == stored


def expanded(stream: Stream, pieces: list[Piece]) -> Iterator[bytes]:
    """The member with its holes, as far as pieces go."""
    at = 0
    for offset, length in pieces:
        yield from zeros(offset - at)
        yield from stream.take(length)
        at = offset + length


def number(digits: bytes) -> int | None:
    """A field of a header: octal text, or base 256 when the top bit is set (GNU)."""
    if digits[0] & 0x80:
        value = int.from_bytes(digits, "big") & ((1 << (8 * len(digits) - 1)) - 1)
        return value if value < 1 << 62 else None
    text = digits.strip(b" \0")
    try:
        return int(text or b"0", 8)
    except ValueError:
        return None

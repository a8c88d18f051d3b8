"""git deltas (gitformat-pack(5), "Deltified representation").

Rule enforced here: every copy lies inside the base, and the result has the announced length.
"""

from __future__ import annotations

from lockgate.scan.containers.container import Broken
from lockgate.scan.report import GapReason


def apply_delta(base: bytes, delta: bytes, most: int) -> bytes:
    """The object that ``delta`` makes of ``base``.

    Raises:
        Broken: the delta does not fit the base, or the object is larger than ``most`` bytes.
    """
    base_size, at = _size(delta, 0)
    size, at = _size(delta, at)
    if base_size != len(base):
        raise _unfit()
    if size > most:
        raise Broken(GapReason.SIZE_LIMIT, "git delta or its base is too large")
    pieces, given = [], 0
    while at < len(delta):
        code = delta[at]
        at += 1
        if code & 0x80:
            start, count, at = _copy(delta, code, at)
            piece = base[start : start + count]
        else:
            count = code
            piece = delta[at : at + count]
            at += count
        given += len(piece)
        if not count or len(piece) < count or given > size:
            raise _unfit()
        pieces.append(piece)
    if given != size:
        raise _unfit()
    return b"".join(pieces)


def _unfit() -> Broken:
    return Broken(GapReason.DAMAGED, "git delta does not fit its base")


def _size(delta: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    for index in range(at, min(len(delta), at + 10)):
        value |= (delta[index] & 0x7F) << shift
        shift += 7
        if delta[index] < 0x80:
            return value, index + 1
    raise _unfit()


def _copy(delta: bytes, code: int, at: int) -> tuple[int, int, int]:
    """Where to copy from and how much, and where the next instruction stands."""
    fields = [0] * 7
    for bit in range(7):
        if code >> bit & 1:
            if at >= len(delta):
                raise _unfit()
            fields[bit] = delta[at]
            at += 1
    start = int.from_bytes(bytes(fields[:4]), "little")
    return start, int.from_bytes(bytes(fields[4:]), "little") or 0x10000, at

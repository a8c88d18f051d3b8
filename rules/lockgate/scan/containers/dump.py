"""What a dump format gives to the walk: where memory stands in the file, and problems with it.

Rules enforced here:

1. A dump is told by content, never by name.
2. A reader of a map consumes nothing of the stream: all bytes are scanned raw, at the alignment
   that the map tells; a map that is wrong or missing costs addresses, never bytes.
3. No count of the file is trusted: tables are read as far as the file goes and the limit on
   regions allows, and what is left out is a problem.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

from lockgate.scan.containers.container import Problem
from lockgate.scan.limits import Limits
from lockgate.scan.memory import MemoryMap
from lockgate.scan.report import GapReason
from lockgate.scan.source import HeldAccess, RandomAccess, Stream

#: Of a dump that cannot be read at any offset, this much of its front is looked at (bytes).
FRONT_BYTES = 16 << 20
#: What is read by looking ahead in the stream, even where it could be read at any offset.
_NEAR_BYTES = 1 << 20

Mapped = tuple[MemoryMap, Sequence[Problem]]
NO_MEMORY = MemoryMap(())


class Dump(Protocol):
    """One format that holds memory as it is, unpacked."""

    @property
    def name(self) -> str:
        """The format's name, as used in gap details."""
        ...

    def recognises(self, head: bytes) -> bool:
        """Whether a member that starts with ``head`` (512 bytes or all of it) is this format."""
        ...

    def read_map(self, stream: Stream, limits: Limits) -> Mapped:
        """The memory map of the dump that starts here, and what of it cannot be read."""
        ...


class Reach:
    """The bytes of a dump at any offset, or its front only, for reading headers and tables."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    @cached_property
    def _front(self) -> bytes:
        return self._stream.peek(_NEAR_BYTES)

    @cached_property
    def _whole(self) -> RandomAccess | None:
        return self._stream.random_access()

    @cached_property
    def _access(self) -> RandomAccess:
        return self._whole or HeldAccess(self._stream.peek(FRONT_BYTES))

    def read(self, offset: int, count: int) -> bytes:
        """``count`` bytes at ``offset``; fewer only where the reach or the dump ends."""
        if offset + count <= _NEAR_BYTES:
            return self._front[offset : offset + count]
        return self._access.read_at(offset, count)

    @property
    def is_whole(self) -> bool:
        """Whether a short read means that the dump ends there."""
        return self._whole is not None or self._access.size < FRONT_BYTES

    def short(self, what: str, offset: int) -> Problem:
        """The problem of a table at ``offset`` that could not be read whole."""
        if self.is_whole:
            return Problem(GapReason.TRUNCATED, f"{what}: the file ends first", None, offset)
        detail = f"{what}: out of reach in a packed dump of this size"
        return Problem(GapReason.SIZE_LIMIT, detail)


def bounded(count: int, most: int, what: str, problems: list[Problem]) -> int:
    """``count``, or ``most`` and a problem more when it is beyond."""
    if count <= most:
        return count
    problems.append(Problem(GapReason.MEMBER_LIMIT, f"more than {most} {what}"))
    return most

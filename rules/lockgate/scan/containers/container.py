"""What a container format gives to the walk: members, and problems with them.

Rules enforced here:

1. A format is told by content, never by name.
2. A reader never raises on hostile input except :class:`Broken`, which carries the gap that
   the bytes have earned; what it cannot read it names, and the raw bytes are scanned anyway.
3. Readers are sequential and keep no more than one block in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from lockgate.scan.memory import MemoryMap
from lockgate.scan.report import GapReason
from lockgate.scan.source import RandomAccess, Stream


class Broken(Exception):  # noqa: N818 - it states a fact about the data, not an error of ours
    """The bytes at hand cannot be read further; becomes a gap of the member being read."""

    def __init__(self, reason: GapReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Problem:
    """Something a container promises and that cannot be read; becomes a gap.

    ``member`` is the name inside this container, None when the container itself is meant;
    ``offset`` and ``length`` are bytes of the container.
    """

    reason: GapReason
    detail: str
    member: bytes | None = None
    offset: int | None = None
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """One member: its name as stored, and its bytes, which must be consumed before the next.

    ``stored_at`` is where the same bytes stand in the container, None when they are packed;
    ``size`` is how many there are, where that is known beforehand. ``access`` reads the same
    bytes at any offset, where the format allows that without unpacking what stands before.

    A member with ``memory`` is an image of memory, not a file: nothing is looked for inside.
    One with ``origin`` is no member to the report: it shows bytes of the container itself, moved
    so that the searches see them aligned. While a ``packed`` member is read, all bytes of the
    container that are consumed are its packed bytes, and nothing but those.
    """

    name: bytes
    chunks: Iterator[bytes]
    stored_at: int | None = None
    size: int | None = None
    access: RandomAccess | None = None
    memory: MemoryMap | None = None
    origin: Origin | None = None
    packed: bool = False


class Origin(Protocol):
    """Where moved bytes were taken from."""

    def offset_of(self, offset: int) -> int:
        """The offset in the container of the byte that is shown at ``offset``."""
        ...


class Archive(Protocol):
    """One archive or compression format."""

    @property
    def name(self) -> str:
        """The format's name, as used in gap details."""
        ...

    def recognises(self, head: bytes) -> bool:
        """Whether a member that starts with ``head`` (512 bytes or all of it) is this format."""
        ...

    def members(self, stream: Stream) -> Iterator[Member | Problem]:
        """Members in order. ``stream`` stands at the first byte."""
        ...


def require_access(stream: Stream, name: str) -> RandomAccess:
    """The bytes of ``stream`` at any offset.

    Raises:
        Broken: they are packed and too many to be held, or the file still grows.
    """
    access = stream.random_access()
    if access is None:
        raise Broken(GapReason.SIZE_LIMIT, f"{name} is too large to be held in memory")
    return access

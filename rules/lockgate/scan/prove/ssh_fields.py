"""A reader of ssh strings and integers (RFC 4251, section 5) that never raises."""

from __future__ import annotations

_LENGTH = 4


class Fields:
    """Reads one field after another; past the end it goes on, and :meth:`cut` tells."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        """Read ``data`` from ``at``."""
        self.data = data
        self.at = at

    def cut(self) -> bool:
        """Whether a field read so far was not whole."""
        return self.at > len(self.data)

    def number(self) -> int:
        """A uint32; of fewer bits when it is cut."""
        raw = self.data[self.at : self.at + _LENGTH]
        self.at += _LENGTH
        return int.from_bytes(raw, "big")

    def string(self) -> bytes:
        """A string; as much of it as there is when it is cut."""
        length = self.number()
        raw = self.data[self.at : self.at + length]
        self.at += length
        return raw

    def integer(self) -> int | None:
        """An mpint; None when it is cut."""
        raw = self.string()
        return None if self.cut() else int.from_bytes(raw, "big")

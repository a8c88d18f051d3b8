"""The characters around a match, one byte each, in whatever width the member has them.

Rules enforced here:

1. ASCII, UTF-16 and UTF-32 of either byte order give the same characters.
2. A character's place is that of its first byte in the member, also in big-endian text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from lockgate.scan.evidence import Candidate

#: Character indexes, or places in a member.
Indexes = npt.NDArray[np.int64]

_WIDTHS = (4, 2)


@dataclass(frozen=True)
class Characters:
    """Every character of the window that lies on the grid of the match.

    The match is the character ``index``; character ``i`` begins at ``origin + width * i`` of
    the member.
    """

    data: bytes = field(repr=False)
    index: int
    origin: int
    width: int

    def place(self, index: int) -> int:
        """Where in the member the character begins."""
        return self.origin + self.width * index

    def places(self, indexes: Indexes) -> Indexes:
        """Where in the member the characters begin."""
        return self.origin + self.width * indexes

    def span(self, start: int, stop: int) -> tuple[int, int]:
        """Offset and length in the member of the characters from ``start`` to ``stop``."""
        return self.place(start), self.width * (stop - start)

    @cached_property
    def after(self) -> bytes:
        """The characters from the match on."""
        return self.data[self.index :]


def characters(candidate: Candidate) -> Characters:
    """The characters of the candidate's window."""
    window, match = candidate.window, candidate.match
    width = next((w for w in _WIDTHS if _is_wide(window, match, w)), 1)
    if width == 1:
        return Characters(window, match, candidate.window_offset, 1)
    phase = match % width
    origin = candidate.window_offset + phase
    if _is_big_endian(window, match, candidate.window_offset + match, width):
        origin -= width - 1
    return Characters(window[phase::width], match // width, origin, width)


def _is_wide(window: bytes, match: int, width: int) -> bool:
    """Whether the two characters from the match on are each followed by zeros to this width."""
    two = window[match : match + 2 * width]
    one = len(two) // 2
    return one == width and two.count(0) == 2 * (width - 1) and all(two[::width])


def _is_big_endian(window: bytes, match: int, place: int, width: int) -> bool:
    """Wide text stands at whole multiples of its width: the zeros come first, or they do not."""
    return place % width == width - 1 and match > 0 and window[match - 1] == 0

"""What the searches for scalars and seeds derive, and what becomes of it.

Rules enforced here:

1. A derived public half is kept only while some form of it may have been seen: as words in the
   file, or among the known points.
2. Secrets never show in a repr.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lockgate.scan.search.word_table import Rows


@dataclass(frozen=True, slots=True)
class Derived:
    """Public halves of many secrets of one algorithm.

    ``rows[i]`` is the window that secret i was read from, ``secrets[i]`` the secret as
    little-endian limbs, ``plain[i]`` its public coordinate as such, and ``publics[i, k]`` the
    words of the forms in which that coordinate may stand in memory.
    """

    algorithm: str
    rows: NDArray[np.int64]
    secrets: Rows = field(repr=False)
    plain: Rows
    publics: Rows


@dataclass(frozen=True, slots=True)
class Pair:
    """A possible key pair: what either half looks like in memory.

    ``names`` are the forms in which :class:`Points` may know the public half.
    """

    algorithm: str
    secret: bytes = field(repr=False)
    names: tuple[bytes, ...]
    publics: tuple[bytes, ...]
    secrets: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """The key of a pair, by its public half; ``public`` is how :class:`Points` knows it."""

    format: str
    algorithm: str
    bits: int
    fingerprint: str
    public: bytes

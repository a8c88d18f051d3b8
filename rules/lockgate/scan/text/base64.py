"""Base64 and base64url (RFC 4648) in runs, each decoded byte with the character it begins at.

Rules enforced here:

1. Both alphabets are read alike; padding ends the data.
2. A last character that stands for no whole byte is dropped, as in cut text.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from lockgate.scan.text.characters import Indexes
from lockgate.scan.text.escapes import FILL

_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_PADDING = b"="
#: The characters of both alphabets.
ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
_OTHERS = bytes(set(range(256)) - set(ALPHABET + _PADDING))


@dataclass(frozen=True, slots=True)
class Decoded:
    """The bytes, and the runs of the text that they were decoded from."""

    data: bytes = field(repr=False)
    text: bytes = field(repr=False)
    runs: tuple[tuple[int, int], ...]

    def starts(self) -> Indexes:
        """The character at which each byte begins, and one past the last one needed."""
        return byte_starts(character_indexes(self.text, self.runs), len(self.data))

    def text_end(self, count: int) -> int:
        """Where in the text the characters of the first ``count`` bytes end."""
        if not self.data:
            return 0
        return int(self.starts()[min(count, len(self.data)) - 1]) + 2


def character_indexes(text: bytes, runs: Iterable[tuple[int, int]]) -> Indexes:
    """The index of every character of the runs that is more than fill."""
    parts = [np.arange(start, stop) for start, stop in runs]
    indexes: Indexes = np.concatenate(parts) if parts else np.zeros(0, np.int64)
    kept: Indexes = indexes[np.frombuffer(text, np.uint8)[indexes] != FILL]
    return kept


def byte_starts(characters: Indexes, count: int) -> Indexes:
    """Where each of ``count`` bytes begins, given the characters; and where the last one ends."""
    starts = characters[np.arange(count) * 4 // 3]
    stop = characters[min(len(characters), (count * 4 + 2) // 3) - 1] + 1 if count else 0
    return np.append(starts, stop)


def decode_runs(text: bytes, runs: tuple[tuple[int, int], ...]) -> Decoded:
    """All runs decoded as one."""
    joined = b"".join(text[start:stop] for start, stop in runs)
    return Decoded(decode(joined), text, runs)


def decode(text: bytes) -> bytes:
    """The bytes of base64 text of either alphabet; any other characters are passed over."""
    text = text.translate(_URL_SAFE, _OTHERS).partition(_PADDING)[0]
    text = text[: len(text) - (len(text) % 4 == 1)]
    return binascii.a2b_base64(text + _PADDING * (-len(text) % 4))

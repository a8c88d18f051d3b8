"""Single values on their way to and from a message: words, text, numbers, times.

Rules enforced here:

1. A word and its enum number belong together by name: ``FindingClass.PRIVATE`` ("private")
   is ``FINDING_CLASS_PRIVATE``. No table is written by hand, and a test compares both lists.
2. Text leaves as valid UTF-8 of at most its bound, and arrives escaped.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.timestamp_pb2 import Timestamp

from lockgate.scan.names import escape_name
from lockgate.scan.words import Word

W = TypeVar("W", bound=Word)

#: Bounds of text in UTF-8 bytes; the .proto files state the same numbers.
SHORT_TEXT = 128
NAME_TEXT = 253
MEMBER_TEXT = 512
SENTENCE_TEXT = 1024
PATH_TEXT = 4096

_UINT32 = 2**32 - 1
_UINT64 = 2**64 - 1
_HEX_64 = re.compile(r"[0-9a-f]{64}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class WireError(ValueError):
    """A message that cannot be read even strictly; the receiver holds the file.

    The text names the field and never repeats its value.
    """


class EnumMap(Generic[W]):
    """One closed list of words and the proto enum that carries it."""

    def __init__(self, words: type[W], enum: EnumDescriptor) -> None:
        prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", enum.name).upper()
        self._numbers: dict[W, int] = {
            word: enum.values_by_name[f"{prefix}_{word.value.upper().replace('-', '_')}"].number
            for word in words
        }
        self._words = {number: word for word, number in self._numbers.items()}

    def number(self, word: W) -> Any:
        """The enum number of ``word``; each enum has its own integer type in the stubs."""
        return self._numbers[word]

    def word(self, number: int) -> W | None:
        """The word of ``number``; None when it is UNSPECIFIED or not known here."""
        return self._words.get(number)


def cut(text: str, limit: int) -> str:
    """``text`` as valid UTF-8 of at most ``limit`` bytes, cut between characters."""
    if len(text) <= limit and text.isascii():
        return text
    raw = text.encode("utf-8", "backslashreplace")
    return raw[:limit].decode("utf-8", "ignore")


def arrived(text: str, limit: int) -> str:
    """Text of a message as people may read it: escaped, and cut again."""
    return cut(escape_name(text), limit)


def uint64(value: int) -> int:
    """``value`` clamped to what a uint64 field takes."""
    return min(max(value, 0), _UINT64)


def uint32(value: int) -> int:
    """``value`` clamped to what a uint32 field takes."""
    return min(max(value, 0), _UINT32)


def seconds(value: float) -> float:
    """A duration that is a number: not a NaN, infinite or negative."""
    return value if math.isfinite(value) and value >= 0 else 0.0


def sha256_or_none(text: str, field: str) -> str | None:
    """64 hex digits; None for the empty text.

    Raises:
        WireError: anything else.
    """
    if not text:
        return None
    if not _HEX_64.fullmatch(text):
        raise WireError(f"{field}: not a SHA-256 in hex")
    return text


def uuid(text: str, field: str) -> str:
    """A UUID in its lower-case text form (RFC 9562).

    Raises:
        WireError: anything else.
    """
    if not _UUID.fullmatch(text):
        raise WireError(f"{field}: not a UUID")
    return text


def timestamp(time: datetime) -> Timestamp:
    """An aware ``time`` as a message."""
    message = Timestamp()
    message.FromDatetime(time)
    return message


def time_of(message: Timestamp, field: str) -> datetime:
    """A time in UTC, to the microsecond.

    Raises:
        WireError: outside the years 1 to 9999.
    """
    try:
        return message.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise WireError(f"{field}: not a time") from None

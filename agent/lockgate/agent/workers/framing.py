"""JSON messages over a stream socket, each with its length before it.

Rules enforced here:

1. A message is four bytes of length (big endian) and that many bytes of UTF-8 JSON.
2. A length beyond the bound, or bytes that are not a JSON object, end the conversation:
   the other side may be an attacker.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

_LENGTH = struct.Struct(">I")
MOST_BYTES = 16 << 20


class FramingError(Exception):
    """What came is no message; the text never repeats what came."""


def encode(message: Mapping[str, Any]) -> bytes:
    """The message as it goes over the wire."""
    body = json.dumps(message, separators=(",", ":")).encode()
    return _LENGTH.pack(len(body)) + body


class Inbox:
    """Puts messages together from whatever pieces arrive."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._bytes = bytearray()

    def feed(self, piece: bytes) -> Iterator[dict[str, Any]]:
        """The messages that ``piece`` completes.

        Raises:
            FramingError: see rule 2.
        """
        self._bytes += piece
        while len(self._bytes) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._bytes)
            if length > self._most:
                raise FramingError("message too long")
            end = _LENGTH.size + length
            if len(self._bytes) < end:
                return
            body = bytes(self._bytes[_LENGTH.size : end])
            del self._bytes[:end]
            yield _parse(body)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        raise FramingError("not JSON") from None
    if not isinstance(message, dict):
        raise FramingError("not an object")
    return message

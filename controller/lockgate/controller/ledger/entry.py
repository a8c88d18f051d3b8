"""The bytes of a ledger entry: canonical JSON, one line.

Rules enforced here:

1. Keys sorted, no blanks, ASCII with escapes: one meaning has one spelling, and a line break
   in a value cannot become a line break in an export.
2. No floating-point number: it would not have one spelling everywhere.
3. ``v`` is the version of the entry's shape; ``kind`` and ``time`` are always there. What
   names a person is not: a salted commitment stands in its place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

VERSION = 1


def entry_bytes(entry: Mapping[str, Any]) -> bytes:
    """The bytes that are hashed.

    Raises:
        ValueError: no kind or time, a float, or a key that is not text.
    """
    if not {"kind", "time"} <= entry.keys():
        raise ValueError("a ledger entry has a kind and a time")
    whole = {**entry, "v": VERSION}
    _check(whole)
    return json.dumps(whole, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def _check(value: object) -> None:
    match value:
        case None | bool() | int() | str():
            return
        case Mapping():
            for key, inner in value.items():
                _check_key(key)
                _check(inner)
        case list() | tuple():
            for inner in value:
                _check(inner)
        case _:
            raise ValueError(f"a ledger entry cannot hold {type(value).__name__}")


def _check_key(key: object) -> None:
    if type(key) is not str:
        raise ValueError(f"a ledger entry cannot have a key of {type(key).__name__}")

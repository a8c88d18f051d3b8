"""The bytes of a ledger entry: canonical JSON, one line.

Rules enforced here:

1. Keys sorted, no blanks, ASCII with escapes: one meaning has one spelling, and a line break
   in a value cannot become a line break in an export.
2. No floating-point number: it would not have one spelling everywhere.
3. No entry is longer than a bundle takes. One that would be is shortened, its lists first, and
   ``shortened`` says to how many elements; texts are cut at 1,024 characters then.
4. ``v`` is the version of the entry's shape; ``kind`` and ``time`` are always there. What
   names a person is not: a salted commitment stands in its place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lockgate.controller.clock import to_micros
from lockgate.controller.ledger.tiles import LONGEST_ENTRY

VERSION = 1

_text_of = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode
_SCALARS = frozenset({type(None), bool, int, str})

_FOUND_BY = ("kind", "host", "zone", "transfer_id", "person")
_TEXT = 1024
_MOST = 64


def entry_bytes(entry: Mapping[str, Any]) -> bytes:
    """The bytes that are hashed.

    Raises:
        ValueError: no kind or time, a float, a key that is not text, or too many fields.
    """
    if not {"kind", "time"} <= entry.keys():
        raise ValueError("a ledger entry has a kind and a time")
    whole = {**entry, "v": VERSION}
    _check(whole)
    raw, most = _spelled(whole), _MOST
    while len(raw) > LONGEST_ENTRY and most:
        raw = _spelled({**_shortened(whole, most), "shortened": most})
        most //= 2
    if len(raw) > LONGEST_ENTRY:
        raise ValueError("a ledger entry cannot have so many fields")
    return raw


def found_by(entry: Mapping[str, Any]) -> dict[str, str | int | None]:
    """What an entry can be found by: the columns that stand beside it."""
    words = {name: entry.get(name) for name in _FOUND_BY}
    texts = {name: word[:253] if type(word) is str else None for name, word in words.items()}
    return {**texts, "at": _micros(entry.get("time"))}


def _micros(time: object) -> int | None:
    try:
        return to_micros(datetime.fromisoformat(str(time)))
    except (ValueError, TypeError):  # no time, or one without a zone
        return None


def _spelled(entry: Mapping[str, Any]) -> bytes:
    return _text_of(entry).encode("ascii")


def _shortened(value: Any, most: int) -> Any:
    match value:
        case str():
            return value[:_TEXT]
        case Mapping():
            return {key: _shortened(inner, most) for key, inner in value.items()}
        case list() | tuple():
            return [_shortened(inner, most) for inner in value[:most]]
        case _:
            return value


def _check(value: object) -> None:
    if type(value) in _SCALARS:  # nearly always, and sooner said than matched
        return
    match value:
        case int() | str():
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

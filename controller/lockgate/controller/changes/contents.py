"""Contents of changes that are JSON objects.

Rules enforced here: a content says each thing once and nothing that its kind does not know, so that
whoever reads it reads what will be made.
"""

from __future__ import annotations

import json
from typing import Any


def fields_of(content: bytes, *names: str) -> dict[str, Any]:
    """The fields of a content: exactly these.

    Raises:
        ValueError: it has others, or is no JSON object.
    """
    try:
        read = json.loads(content, object_pairs_hook=_once)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(read, dict) or read.keys() != set(names):
        raise ValueError("other fields")
    return read


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a field twice")
    return made

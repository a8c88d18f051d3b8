"""Personal fields: in the ledger a salted commitment, in the store the erasable clear text.

Rules enforced here:

1. Path and opener of a transfer can name a person. The ledger holds
   ``sha256(salt || canonical JSON)`` of them; salt and text stand in columns that can be set
   to NULL, after which nobody can tell what was committed to.
2. Every commitment has its own 128 random bits of salt, so that equal values differ.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass
from typing import Any

from lockgate.wire.transfer import Opener

_FIELDS = tuple(field.name for field in dataclasses.fields(Opener))


@dataclass(frozen=True, slots=True)
class Personal:
    """The personal fields of one row, and their salt."""

    path: str
    opener: str | None
    salt: bytes

    @property
    def commitment(self) -> str:
        """What the ledger entry holds."""
        text = json.dumps([self.path, self.opener], ensure_ascii=False, separators=(",", ":"))
        return "sha256:" + hashlib.sha256(self.salt + text.encode()).hexdigest()


def _values(opener: Opener) -> dict[str, Any]:
    return {name: getattr(opener, name) for name in _FIELDS}


def personal(path: str, opener: Opener | None) -> Personal:
    """The fields with a fresh salt; the opener as JSON text."""
    text = None if opener is None else json.dumps(_values(opener), ensure_ascii=False)
    return Personal(path, text, os.urandom(16))

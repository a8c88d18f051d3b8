"""What a bounded field must be, and the bounds that many fields share."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lockgate.wire.convert.values import (
    MEMBER_TEXT,
    NAME_TEXT,
    PATH_TEXT,
    SENTENCE_TEXT,
    SHORT_TEXT,
)


@dataclass(frozen=True, slots=True)
class Bound:
    """What a value must be: text or bytes of ``low`` to ``high`` bytes, in a form.

    ``items``: the most elements of a repeated field.
    """

    high: int = 0
    low: int = 0
    form: re.Pattern[str] | None = None
    items: int | None = None


UUID = Bound(36, 36, re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"))
HEX = Bound(64, 64, re.compile(r"[0-9a-f]{64}"))
HEX_OR_EMPTY = Bound(64, 0, re.compile(r"([0-9a-f]{64})?"))
FINGERPRINT = Bound(80, 71, re.compile(r"(hmac-sha256|blob-sha256|sha256):[0-9a-f]{64}"))
SHORT = Bound(SHORT_TEXT)
NAME = Bound(NAME_TEXT, 1)
MEMBER = Bound(MEMBER_TEXT)
SENTENCE = Bound(SENTENCE_TEXT)
PATH = Bound(PATH_TEXT)
DER = Bound(16 * 1024, 1)
CHAIN = Bound(64 * 1024)

"""Shared access signatures (Azure storage and messaging): a query that is a credential.

Rules enforced here:

1. A signature of 32 bytes stands beside what it signs: version and end of validity (storage),
   or resource, policy and end (messaging).
2. The end of validity tells without a network whether the signature still lets anybody in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import unquote_to_bytes

from lockgate.formats.plain_text import decode_base64
from lockgate.formats.rule_format import looks_random

#: Undone escapes leave spaces before the ampersand that they stood for.
_NOT_QUERY = re.compile(rb"[^0-9A-Za-z%=&;+/:._,~ -]| (?! *&)")
_PAIR = re.compile(rb"(?:^|[?&;])(s[a-z]{1,3})=([^&; ]*)")
_VERSION = re.compile(rb"20\d\d-\d\d-\d\d$")
_SIGNATURE_BYTES = 32


@dataclass(frozen=True, slots=True)
class AccessSignature:
    """A signature with its query; ``is_over`` when its own end of validity has passed."""

    signature: bytes = field(repr=False)
    start: int
    stop: int
    is_over: bool


def find(text: bytes, at: int, now: datetime) -> AccessSignature | None:
    """The access signature whose ``sig`` parameter stands at ``at``."""
    others = [m.span() for m in _NOT_QUERY.finditer(text)]
    start = max((end for begin, end in others if begin < at), default=0)
    stop = min((begin for begin, _ in others if begin > at), default=len(text))
    pairs = {m[1]: unquote_to_bytes(m[2]) for m in _PAIR.finditer(text[start:stop])}
    signature = decode_base64(pairs.get(b"sig", b""))
    if signature is None or len(signature) != _SIGNATURE_BYTES or not looks_random(signature):
        return None
    if not _is_complete(pairs):
        return None
    end = _end_of_validity(pairs.get(b"se", b""))
    return AccessSignature(signature, start, stop, is_over=end is not None and end < now)


def _is_complete(pairs: dict[bytes, bytes]) -> bool:
    storage = _VERSION.match(pairs.get(b"sv", b"")) and (pairs.keys() & {b"se", b"si"})
    messaging = pairs.keys() >= {b"sr", b"se"} and pairs[b"se"].isdigit()
    return bool(storage or messaging)


def _end_of_validity(value: bytes) -> datetime | None:
    text = value.decode("ascii", "replace")
    try:
        if text.isdigit():
            return datetime.fromtimestamp(int(text), UTC)
        end = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None
    return end if end.tzinfo else end.replace(tzinfo=UTC)

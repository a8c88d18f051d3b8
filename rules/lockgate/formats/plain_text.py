"""What the text formats have in common: the text around a match, escapes, and randomness.

Rules enforced here:

1. Only escapes are undone that cannot stand in the plain text of these formats (padding at the
   end of a line, or an equals sign before a value, is none). What they stand for is padded to
   their length, so that a place in the text leads back to the member.
2. What a person or a manual writes in place of a secret does not look random.
"""

from __future__ import annotations

import binascii
import re
from itertools import pairwise

from lockgate.scan.evidence import Candidate
from lockgate.scan.text.characters import Characters, characters

_ESCAPES: tuple[tuple[re.Pattern[bytes], bytes], ...] = (
    (re.compile(rb"(?:\\+(?:[rn]|u000[aAdD]))+|&#(?:10|13|x0*[aAdD]);"), b"\n"),
    (re.compile(rb"\\+(?:t|u0009)"), b"\t"),
    (re.compile(rb"\\+u003[cC]|&lt;|%3[cC]"), b"<"),
    (re.compile(rb"\\+u003[eE]|&gt;|%3[eE]"), b">"),
    (re.compile(rb"\\+u0026|&amp;"), b"&"),
    (re.compile(rb"\\+u003[dD]"), b"="),
    (re.compile(rb"\\+u002[bB]"), b"+"),
    (re.compile(rb"\\+u0022|&quot;|&#34;|\\+\""), b'"'),
    (re.compile(rb"\\+/"), b"/"),
)
_MAY_BE_ESCAPED = re.compile(rb"[\\&%]")

_PLACEHOLDER = re.compile(
    rb"(?i)example|sample|placeholder|redacted|dummy|secret|changeme|\*\*\*|\.\.\.|"
    rb"abcdef|123456|654321|(?-i:xxxx|XXXX|(.)\1{4})"
)
_CLASSES = bytes.maketrans(
    bytes(range(256)),
    bytes(
        b"a"[0] if chr(c).islower() and c < 128 else
        b"A"[0] if chr(c).isupper() and c < 128 else
        b"0"[0] if chr(c).isdigit() and c < 128 else b"-"[0]
        for c in range(256)
    ),
)  # fmt: skip
_LEAST_CHANGES = 0.17
_LEAST_DISTINCT = 0.6


def text_around(candidate: Candidate, before: int, after: int) -> Characters:
    """Up to ``before`` characters in front of the match and ``after`` from its start on."""
    text = characters(candidate)
    first = max(0, text.index - before)
    return Characters(
        text.data[first : text.index + after], text.index - first, text.place(first), text.width
    )


def unescaped(data: bytes) -> bytes:
    """The text without escapes of JSON, XML and URLs, every character at its place."""
    if _MAY_BE_ESCAPED.search(data) is None:
        return data
    for pattern, char in _ESCAPES:
        data = pattern.sub(lambda m, c=char: c.rjust(len(m[0])), data)  # type: ignore[misc]
    return data


def decode_base64(text: bytes) -> bytes | None:
    """The bytes of base64 or base64url text, padded or not; None where it is neither."""
    text = b"".join(text.split()).rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
    try:
        return binascii.a2b_base64(text + b"=" * (-len(text) % 4), strict_mode=True)
    except binascii.Error:
        return None


def looks_random_text(secret: bytes, alphabet: int = 62) -> bool:
    """Whether text could be drawn at random from ``alphabet`` characters.

    Random text changes between digits, capitals and small letters at every second step;
    words, names and counting do not. About one random secret of 10^4 is refused.
    """
    if not secret or _PLACEHOLDER.search(secret):
        return False
    expected = alphabet * (1 - (1 - 1 / alphabet) ** len(secret))
    changes = sum(a != b for a, b in pairwise(secret.translate(_CLASSES)))
    return (
        len(set(secret)) >= expected * _LEAST_DISTINCT
        and changes >= (len(secret) - 1) * _LEAST_CHANGES
    )

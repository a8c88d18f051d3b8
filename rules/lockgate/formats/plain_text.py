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
from functools import cache
from itertools import accumulate, pairwise

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
    rb"abcdef|123456|654321|(?-i:xxxx|XXXX)"
)
_REPEATED = re.compile(rb"(.)\1{4}", re.DOTALL)
_REPEATED_HEX = re.compile(rb"(.)\1{5}", re.DOTALL)
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
#: Digits, letters of either case, and others in the alphabets of secrets, by their number.
_CLASS_SIZES = {
    16: (10, 6), 32: (6, 26), 36: (10, 26), 52: (26, 26), 62: (10, 26, 26), 64: (10, 26, 26, 2),
}  # fmt: skip
_HEX = 16
_MOST_REFUSED = 1e-5
#: Longer text changes more often than :data:`_LEAST_CHANGES` asks for, from any alphabet.
_MOST_COUNTED = 128


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


def looks_random_text(secret: bytes, alphabet: int = 62, *, may_be_words: bool = False) -> bool:
    """Whether text could be drawn at random from ``alphabet`` characters.

    Random text changes between digits, capitals and small letters more often than words, names
    and counting do. About one random secret of 10^4 is refused; where it ``may_be_words``, because
    nothing around it tells that it is a secret, more are of those with few classes of characters.
    """
    repeated = _REPEATED_HEX if alphabet <= _HEX else _REPEATED
    if not secret or _PLACEHOLDER.search(secret) or repeated.search(secret):
        return False
    expected = alphabet * (1 - (1 - 1 / alphabet) ** len(secret))
    changes = sum(a != b for a, b in pairwise(secret.translate(_CLASSES)))
    least = (len(secret) - 1) * _LEAST_CHANGES
    if not may_be_words:
        least = min(least, _least_changes(len(secret), alphabet))
    return len(set(secret)) >= expected * _LEAST_DISTINCT and changes >= least


@cache
def _least_changes(length: int, alphabet: int) -> int:
    """So many changes between classes has all random text of ``length`` but one of 10^5."""
    sizes = _CLASS_SIZES.get(alphabet)
    if sizes is None or length > _MOST_COUNTED:
        return length
    shares = [size / sum(sizes) for size in sizes]
    ways = [[share] + [0.0] * (length - 1) for share in shares]  # by last class and changes
    for _ in range(length - 1):
        totals = [sum(column) for column in zip(*ways, strict=True)]
        ways = [
            [share * (row[k] + (totals[k - 1] - row[k - 1] if k else 0.0)) for k in range(length)]
            for share, row in zip(shares, ways, strict=True)
        ]
    below = accumulate(sum(column) for column in zip(*ways, strict=True))
    least: int = sum(chance <= _MOST_REFUSED for chance in below)
    return least

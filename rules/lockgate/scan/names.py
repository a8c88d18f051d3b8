r"""File and member names as people and machines may safely read them.

Rules enforced here:

1. Bytes that are not UTF-8 become ``\\xNN``; a name is never lost and never raises.
2. Control characters, line separators and bidirectional overrides become escapes, so that
   a name cannot forge a second line, colour a terminal or reverse its reading order.
"""

from __future__ import annotations

import os
import unicodedata


def escape_name(name: str | bytes) -> str:
    """The name with everything escaped that could mislead a reader.

    ``name`` is what the operating system or an archive gave: bytes, or text that may carry
    surrogate escapes (PEP 383). The result is always encodable as UTF-8.
    """
    if isinstance(name, str) and name.isascii() and name.isprintable():
        return name  # nearly every name there is
    raw = os.fsencode(name) if isinstance(name, str) else name
    text = raw.decode("utf-8", "backslashreplace")
    return "".join(c if _is_plain(c) else _escape(c) for c in text)


def _is_plain(char: str) -> bool:
    return unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def _escape(char: str) -> str:
    code = ord(char)
    width, letter = (2, "x") if code < 0x100 else (4, "u") if code < 0x10000 else (8, "U")
    return f"\\{letter}{code:0{width}x}"

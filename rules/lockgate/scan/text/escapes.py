r"""Undo the escapes of JSON, C, shells, URLs, HTML, mail and terminals, every character in place.

Rules enforced here:

1. Text keeps its length: a character takes the first place of its escape, ``FILL`` the rest,
   so that a place in the result is the same place before.
2. Escapes of escapes (``\\n``, ``%250A``, ``&amp;#10;``) are undone like the escapes themselves.
3. Colours and tags stand between characters and become a space or a newline.

Sources: RFC 8259 (JSON), RFC 3986 (percent), RFC 2045 (quoted-printable), ISO/IEC 9899 6.4.4.4,
ECMA-48 (colours), the HTML standard's named characters.
"""

from __future__ import annotations

import re

#: Stands where characters of an escape stood; no text has it.
FILL = 0
_FILL = bytes((FILL,))

#: Backslashes, also such as are escaped themselves.
_SLASHES = rb"(?:\\|%(?:25)*5[cC]|&#92;|&#x5[cC];)+"
_ESCAPE = re.compile(
    rb"(?=[\\%&=<^\x1b\xc2\xe2\xef])(?:"
    rb"(?P<colour>(?:\x1b|" + _SLASHES + rb"(?:u001[bB]|x1[bB]|033|e)|\^\[)\[[0-9;?]*[A-Za-z])"
    rb"|" + _SLASHES + rb"(?:u00|x|u\{0{0,4})(?P<hex>[0-9A-Fa-f]{2})\}?"
    rb"|" + _SLASHES + rb"(?P<octal>[01][0-7]{2})"
    rb"|" + _SLASHES + rb"(?P<letter>[nrtfv])"
    rb"|"
    + _SLASHES  #  before a slash, a quote, the end of a line
    + rb"|%(?:25)*(?P<percent>[0-9A-Fa-f]{2})"
    rb"|&(?:amp;)*#0*(?P<decimal>\d{1,3});"
    rb"|&(?:amp;)*#[xX]0*(?P<entity>[0-9A-Fa-f]{1,2});"
    rb"|&(?:amp;)*(?P<name>NewLine|Tab|nbsp|plus|sol|equals|lowbar|hyphen|dash|lt|gt|quot|apos|amp);"
    rb"|=(?P<mail>0[ADad]|2[0BDFbdf]|3[Dd]|5[Ff])|=(?P<soft>[ \t]*\r?\n)"  # quoted-printable
    rb"|</?(?P<tag>[A-Za-z]{1,10})\b[^<>\n]{0,200}>"
    rb"|\xe2\x80(?P<dash>[\x90-\x95])|\xe2\x88(?P<minus>\x92)|\xc2(?P<space>\xa0)"
    rb"|\xe2\x80[\x8b-\x8f\xa8\xa9]|\xef\xbb\xbf|\xc2\xad"  # marks without a width
    rb")"
)
_NAMES = {
    b"NewLine": b"\n", b"Tab": b" ", b"nbsp": b" ", b"plus": b"+", b"sol": b"/", b"equals": b"=",
    b"lowbar": b"_", b"hyphen": b"-", b"dash": b"-", b"lt": b"<", b"gt": b">", b"quot": b'"',
    b"apos": b"'", b"amp": b"&",
}  # fmt: skip
_LETTERS = {b"n": b"\n", b"r": b"\n", b"t": b" ", b"f": b"\n", b"v": b"\n"}
#: Tags that end a line; all others stand within one.
_BREAKS = frozenset({b"br", b"p", b"div", b"li", b"td", b"th", b"tr", b"pre"})
_CONTROL, _DELETE = 0x20, 0x7F


def unescaped(text: bytes) -> bytes:
    """The text of the same length with every escape undone; carriage returns are newlines."""
    return _ESCAPE.sub(_character, text).replace(b"\r", b"\n")


def _character(match: re.Match[bytes]) -> bytes:
    """What an escape stands for, filled to its length."""
    kind, written = match.lastgroup, match[match.lastgroup] if match.lastgroup else b""
    match kind:
        case "hex" | "percent" | "entity" | "mail":
            char = _of_code(int(written, 16))
        case "octal":
            char = _of_code(int(written, 8))
        case "decimal":
            char = _of_code(int(written))
        case "letter":
            char = _LETTERS[written]
        case "name":
            char = _NAMES[written]
        case "tag":
            char = b"\n" if written.lower() in _BREAKS else b" "
        case "dash" | "minus":
            char = b"-"
        case "space" | "colour" | "soft":
            char = b" "
        case _:
            char = _FILL
    return char.ljust(len(match[0]), _FILL)


def _of_code(code: int) -> bytes:
    if code in {0x0A, 0x0D}:
        return b"\n"
    if code == ord("\t"):
        return b" "
    return bytes((code,)) if _CONTROL <= code < _DELETE else _FILL

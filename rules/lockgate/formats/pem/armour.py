r"""Take armoured text apart (RFC 7468, RFC 1421, RFC 4716): label, headers, body, END line.

Rules enforced here:

1. Positions are those of the characters around the match; escapes keep theirs.
2. Without an END line of its own the text ends at the next label or the first byte that no
   text has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lockgate.scan.text.base64 import Decoded, decode_runs
from lockgate.scan.text.characters import Characters
from lockgate.scan.text.escapes import unescaped
from lockgate.scan.text.lines import lines_of, readings

_GAP = rb"[\0 +_]+"
_WORD = rb"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*"
_LINE = _GAP + rb"(" + _WORD + rb"(?:" + _GAP + _WORD + rb"){0,6})[\0 ]*-[\0-]+"
_BEGIN = re.compile(rb"BEGIN" + _LINE)
_END = re.compile(rb"END" + _LINE)
NEXT_LABEL = re.compile(rb"(?:[^A-Za-z0-9]|2[dD])(END|BEGIN)[^A-Za-z0-9]")
_NOT_TEXT = re.compile(rb"[^\t\n\r\x1b -~\x80-\xff]")
_HEADER = re.compile(
    rb"\b(Proc-Type|DEK-Info|Comment|Subject|Version|Key-ID|MIC-Info|Content-[A-Za-z-]{1,40}"
    rb"|Originator-[A-Za-z-]{1,40}|[Xx]-[A-Za-z0-9-]{1,40}):[ \t]*([^\n\"'<]*)"
)
RUN = re.compile(rb"\0*[A-Za-z0-9+/_-][A-Za-z0-9+/_\-\0]*={0,2}")
_LABEL_CHARACTERS = 160


@dataclass(frozen=True, slots=True)
class Armour:
    """One armoured text: its label, its headers, and the body at its place.

    ``start``, ``body_start`` and ``stop`` are characters; ``closed`` tells that the label's
    END line follows.
    """

    label: str
    headers: dict[bytes, bytes]
    body: bytes = field(repr=False)
    start: int
    body_start: int
    stop: int
    closed: bool

    def readings(self) -> Iterator[Decoded]:
        """The ways to read the body as base64, the likeliest first."""
        for runs in readings(self.body, lines_of(self.body, RUN)):
            yield decode_runs(self.body, runs)


def open_armour(text: Characters) -> Armour | None:
    """The armour whose BEGIN line holds the match; None when there is no such line."""
    head = unescaped(text.after[:_LABEL_CHARACTERS])
    begin = _BEGIN.match(head)
    if begin is None:
        return None
    label, first, raw = _label(begin[1]), begin.end(), text.after
    stop, end = _find_end(raw, first)
    closed = end is not None and _label(end[1]) == label
    body = trimmed(unescaped(_spaces_as_such(raw[first:stop], begin[0])))
    return Armour(
        label=label.decode("ascii"),
        headers={m[1]: m[2].strip(b"\0 ,+\\") for m in _HEADER.finditer(body)},
        body=_HEADER.sub(lambda m: b" " * len(m[0]), body),
        start=text.index - _dashes_before(text),
        body_start=text.index + first,
        stop=text.index + (stop + end.end() if closed and end else first + len(body)),
        closed=closed,
    )


def _label(written: bytes) -> bytes:
    return b" ".join(re.split(_GAP, written))


def _find_end(text: bytes, first: int) -> tuple[int, re.Match[bytes] | None]:
    """Where the body stops, and the END line that stands there, if it is one."""
    label = NEXT_LABEL.search(text, first)
    stop = label.start(1) if label else len(text)
    end = _END.match(unescaped(text[stop : stop + _LABEL_CHARACTERS]))
    if end is None:
        not_text = _NOT_TEXT.search(text, first, stop)
        stop = not_text.start() if not_text else stop
    return stop, end


def trimmed(body: bytes) -> bytes:
    """The body without the dashes that lead to the next label."""
    return body.rstrip(b"-\0 ")


def _spaces_as_such(body: bytes, begin: bytes) -> bytes:
    """In a form (HTML, 4.10.21) a plus is a space, in the label as in the body."""
    return body.replace(b"+", b" ") if b"+" in begin else body


def _dashes_before(text: Characters) -> int:
    before = text.data[max(0, text.index - 6) : text.index]
    return len(before) - len(before.rstrip(b"- "))

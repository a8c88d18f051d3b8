r"""Undo what happens to PEM text on its way through logs, JSON, YAML, mail and editors.

Rules enforced here:

1. Every step keeps positions: an escape is replaced by white space of the same length, so
   that a decoded byte leads back to its place in the member.
2. Work is bounded by the window; how the text was mangled is tried out, not guessed.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_BEGIN = re.compile(rb"-----BEGIN ([A-Za-z0-9 -]{1,60}?)-----|---- BEGIN (SSH2 [A-Z ]+) ----")
_END = re.compile(rb"-----?\s?(?:END|BEGIN) ")
_NOT_TEXT = re.compile(rb"[^\t\n\r -~]")
_END_LINE = re.compile(rb"-----END [A-Za-z0-9 -]{1,60}?-----|---- END [A-Za-z0-9 ]{1,60} ----")
_NEWLINE_ESCAPES = re.compile(
    rb"\\+(?:[rnt]|u000[aAdD9]|x0[aAdD])|%0[aAdD]|&#(?:10|13|x0*[aAdD]);|=\r?\n"
)
_CHAR_ESCAPES = {rb"\\+/": b"/", rb"%2[fF]": b"/", rb"%2[bB]": b"+", rb"%3[dD]": b"="}
_RUN = re.compile(rb"[A-Za-z0-9+/]+={0,2}")
_LINE = re.compile(rb"[^\n]+")
_HEADER = re.compile(rb"(Proc-Type|DEK-Info|Comment|Subject):[ \t]*([^\n]*)")
_PLAUSIBLE_RUN = 2


@dataclass(frozen=True, slots=True)
class Armour:
    """One armoured text: its label, its headers, and the body at its place in the window.

    ``body_start`` and ``end`` count narrow characters from the match; ``width`` is
    the bytes of a character in the member. ``closed`` tells that an END line follows.
    """

    label: str
    headers: dict[bytes, bytes]
    body: bytes = field(repr=False)
    body_start: int
    end: int
    closed: bool
    width: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """One way to read a body: the bytes, and where in the body each base64 run stands."""

    data: bytes = field(repr=False)
    runs: tuple[tuple[int, int], ...]

    def text_end(self, count: int) -> int:
        """Where in the body the text of the first ``count`` decoded bytes ends."""
        left = (count * 4 + 2) // 3
        for start, end in self.runs:
            if left <= end - start:
                return start + left
            left -= end - start
        return self.runs[-1][1] if self.runs else 0


def open_armour(window: bytes, match: int) -> Armour | None:
    """The armour whose BEGIN line stands at ``match``; None when there is no such line."""
    wide = window[match + 1 : match + 2] == b"\0"
    text = window[match::2] if wide else window[match:]
    begin = _BEGIN.match(text)
    if begin is None:
        return None
    stop = _END.search(text, begin.end())
    body_end = stop.start() if stop else len(text)
    end_line = _END_LINE.match(text, body_end)
    if end_line is None or (begin[1] or begin[2]) not in end_line[0]:
        end_line = None
        body_end = _text_end(text, begin.end(), body_end)
    body = _blank_escapes(text[begin.end() : body_end])
    return Armour(
        label=(begin[1] or begin[2]).decode("ascii"),
        headers={m[1]: m[2].strip(b"\r \"',+") for m in _HEADER.finditer(body)},
        body=_blank_headers(body),
        body_start=begin.end(),
        end=end_line.end() if end_line else body_end,
        closed=end_line is not None,
        width=2 if wide else 1,
    )


def _text_end(text: bytes, start: int, stop: int) -> int:
    """Where text without its END line ends: at the first byte that no text has."""
    found = _NOT_TEXT.search(text, start, stop)
    return found.start() if found else stop


def _blank_escapes(body: bytes) -> bytes:
    for pattern, char in _CHAR_ESCAPES.items():
        body = re.sub(pattern, lambda m, c=char: c.rjust(len(m[0])), body)  # type: ignore[misc]
    body = _NEWLINE_ESCAPES.sub(lambda m: b"\n".ljust(len(m[0])), body)
    return body.replace(b"\r", b"\n")


def _blank_headers(body: bytes) -> bytes:
    return _HEADER.sub(lambda m: b" " * len(m[0]), body)


def readings(armour: Armour) -> Iterator[Decoded]:
    """The ways to read the body, the likeliest first; equal ones once.

    All runs joined (plain, indented, quoted); without the mark of a diff; the last run of
    each line (after a log prefix); the longest run of each line (before a comment).
    """
    body = armour.body
    lines = [_runs(body, line.start(), line.end()) for line in _LINE.finditer(body)]
    lines = [runs for runs in lines if runs]
    # A lone plus sign joins strings; base64 comes in groups of four.
    plausible = [[r for r in runs if r[1] - r[0] >= _PLAUSIBLE_RUN] for runs in lines]
    plausible = [runs for runs in plausible if runs]
    tried: set[tuple[tuple[int, int], ...]] = set()
    for chosen in (
        [run for runs in lines for run in runs],
        [_without_plus(body, run) for runs in lines for run in runs[:1]],
        [runs[-1] for runs in plausible],
        [max(runs, key=lambda r: r[1] - r[0]) for runs in plausible],
    ):
        runs = tuple(chosen)
        if runs and runs not in tried:
            tried.add(runs)
            yield _decode(body, runs)


def _runs(body: bytes, start: int, end: int) -> list[tuple[int, int]]:
    return [m.span() for m in _RUN.finditer(body, start, end)]


def _without_plus(body: bytes, run: tuple[int, int]) -> tuple[int, int]:
    return (run[0] + 1, run[1]) if body[run[0]] == ord("+") else run


def _decode(body: bytes, runs: tuple[tuple[int, int], ...]) -> Decoded:
    text = b"".join(body[start:end] for start, end in runs).partition(b"=")[0]
    text = text[: len(text) - (len(text) % 4 == 1)]
    return Decoded(binascii.a2b_base64(text + b"=" * (-len(text) % 4)), runs)

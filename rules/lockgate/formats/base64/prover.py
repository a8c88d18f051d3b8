"""Settle base64 of something that begins a key.

Rules enforced here:

1. Which of the four characters of a group the anchor begins at is tried out on its first bytes;
   a decoy ends there.
2. Lines are joined as they are, then by column (logs); of several readings the first one that
   is whole counts.
3. The body of an armour has a prover of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from lockgate.formats import unfolding
from lockgate.formats.openssh import prover as openssh
from lockgate.formats.pem import prover as pem
from lockgate.scan.evidence import (
    Candidate,
    Judgement,
    Proven,
    Refuted,
    Undecided,
    Unfolded,
)
from lockgate.scan.prove import der
from lockgate.scan.text import inflate
from lockgate.scan.text.base64 import ALPHABET, decode, decode_runs
from lockgate.scan.text.characters import Characters, characters
from lockgate.scan.text.escapes import FILL, unescaped
from lockgate.scan.text.lines import Run, lines_of, readings

NAME = "base64"

_RUN = re.compile(rb"\0*[A-Za-z0-9+/_-][A-Za-z0-9+/_\-\0]*={0,2}")
_BETWEEN = re.compile(rb"[\0\s\"'\\+,;|>#*.(){}\[\]-]{1,120}")
_LABEL = re.compile(rb"BEGIN[^a-z]{1,60}KEY[^a-z]{0,40}")
_NEXT_LABEL = re.compile(rb"(?:BEGIN|END)[^A-Za-z0-9]|[BE]\0(?:E\0G\0I\0)?N\0(?:D\0)?[^A-Za-z0-9]")
#: Characters of a group before the first one of a pattern, and bytes decoded before what begins
#: there; the last two are those of patterns whose first character the rule leaves out.
_ALIGNMENTS = ((0, 0), (2, 1), (3, 2), (1, 0), (4, 2))
_HEAD_CHARACTERS = 44
_LONGEST_ESCAPE = 6
_KEPT_BEFORE = 64
_SPARE_CHARACTERS = 512
_LABEL_BEFORE = 400
_LABEL_BYTES = 320
_MOST_CHARACTERS = 24 << 10
_LEAST_RUN = 4
_KEY = 8
_FILL = bytes((FILL,))
#: What text inside text consists of, also in UTF-16.
_PRINTABLE = re.compile(rb"[\n\r\t -~\0]*")


@dataclass(frozen=True, slots=True)
class _Head:
    """Where the run begins, its first bytes up to behind the anchor, and the anchor in them."""

    start: int
    data: bytes = field(repr=False)
    at: int


def settle(candidate: Candidate) -> Judgement:
    """Settle a match of the rule, which begins at the first character it fixes."""
    text = characters(candidate)
    head = _head(text)
    if head is None:
        return Refuted("no alignment at which a key begins")
    if _is_in_armour(text.data[max(0, head.start - _LABEL_BEFORE) : head.start]):
        return Refuted("the body of an armour")
    if head.data.startswith(inflate.MAGIC, head.at):
        shown = inflate.inflate(head.data[head.at :])
        return Refuted("no gzip stream") if shown is None else _packed(text, head)
    stop = unfolding.structure_length(head.data, head.at)
    if stop is None and not unfolding.is_text(head.data, head.at):
        return Refuted("no structure around the version")
    return _unfold(text, head, None if stop is None else head.at + stop)


def _head(text: Characters) -> _Head | None:
    for skipped, at in _ALIGNMENTS:
        first = text.index - skipped
        if first < 0:
            continue
        start, groups = _groups_before(text.data[max(0, first - _KEPT_BEFORE) : first])
        start += first
        data = decode(text.data[start : first + _HEAD_CHARACTERS])
        if unfolding.begins_key(data, 3 * groups + at):
            head = text.data[start:first] + _plain(text.data[first:])
            return _Head(start, decode(head), 3 * groups + at)
    return None


def _plain(text: bytes) -> bytes:
    """The first characters, without escapes."""
    plain = unescaped(text[: _LONGEST_ESCAPE * _HEAD_CHARACTERS])
    return plain.replace(_FILL, b"")[:_HEAD_CHARACTERS]


def _groups_before(before: bytes) -> tuple[int, int]:
    """Where the groups of characters begin that end the text, from its end, and their number.

    A line before may hold the beginning; two dashes belong to a label.
    """
    rest = before.rstrip(ALPHABET)
    if rest.endswith(b"\n"):
        rest = rest[:-1].removesuffix(b"\r").rstrip(ALPHABET)
    run = before[len(rest) :]
    run = run[run.rfind(b"--") + 2 :] if b"--" in run else run
    run = run.lstrip(b"\r\n")
    groups, spare = divmod(len(run) - run.count(b"\n") - run.count(b"\r"), 4)
    for _ in range(spare):
        run = run[1:].lstrip(b"\r\n")
    return -len(run), groups


def _is_in_armour(before: bytes) -> bool:
    """Whether the last label before the run announces a private key."""
    begin = before.rfind(b"BEGIN")
    return begin > before.rfind(b"END") and _LABEL.match(before, begin) is not None


def _unfold(text: Characters, head: _Head, needed: int | None) -> Judgement:
    """Read as many characters as the structure needs, or the text up to its end."""
    likely = _text_stop(text, head) if needed is None else needed
    line = text.data.rfind(b"\n", 0, head.start) + 1
    body = unescaped(text.data[line : head.start + 2 * likely + _SPARE_CHARACTERS])
    offset = min(head.at, _KEY)
    key = head.data[head.at - offset : head.at + 4]

    def read(runs: tuple[Run, ...]) -> Judgement:
        decoded = decode_runs(body, runs)
        at = decoded.data.find(key)
        if at < 0:
            return Refuted("the lines do not hold what the anchor showed")
        places = text.places(decoded.starts() + line)
        return unfolding.unfold(NAME, decoded.data, places, at + offset)

    runs = tuple(_plain_runs(body, head.start - line, likely))
    plain = read(runs)
    if _is_whole(plain, proven=False) and not _goes_on(body, plain, runs[-1][1]):
        return plain
    logged = map(read, readings(body, lines_of(body, _RUN)))
    return next((j for j in logged if _is_whole(j, proven=True)), plain)


def _goes_on(body: bytes, judgement: Judgement, stop: int) -> bool:
    """Whether text of which nothing tells the end may go on behind another prefix of a line."""
    if not isinstance(judgement, Unfolded) or unfolding.is_der(judgement):
        return False
    ended = _NEXT_LABEL.search(judgement.data, judgement.focus) or body[:stop].endswith(b"=")
    return not ended and b"\n" in body[stop:]


def _text_stop(text: Characters, head: _Head) -> int:
    """Bytes up to behind the next label, or as many as a key may need."""
    data = decode(text.data[head.start : head.start + _MOST_CHARACTERS])
    label = _NEXT_LABEL.search(data, head.at + 5)
    return label.start() + _LABEL_BYTES if label else len(data)


def _is_whole(judgement: Judgement, *, proven: bool) -> bool:
    """Whether a reading has all that the structure needs; ``proven``: and no more than that.

    Lengths stand at the beginning of a structure, so that one with the prefixes of a log in its
    midst is as long as it should be.
    """
    if not isinstance(judgement, Unfolded):
        return False
    data = judgement.data
    outer = der.read(data, 0)
    if unfolding.is_der(judgement) and outer is not None:
        return not outer.cut and (not proven or isinstance(pem.judge_body(data), Proven))
    at = data.find(openssh.MAGIC)
    if at >= 0:
        return isinstance(pem.judge_body(data[at:]), Proven)
    if proven and _PRINTABLE.fullmatch(data) is None:
        return False
    return _NEXT_LABEL.search(data, judgement.focus) is not None or b"BEGIN" not in data


def _plain_runs(body: bytes, start: int, needed: int) -> Iterator[Run]:
    """Lines of one width from ``start`` on with nothing but quotes and marks between them."""
    stop, width, got = start, 0, 0
    for run in _RUN.finditer(body, start):
        if run.start() > start and _BETWEEN.fullmatch(body, stop, run.start()) is None:
            return
        stop = run.end()
        length = stop - run.start()
        if length < _LEAST_RUN and not run[0].strip(b"+-/_\0"):
            continue
        yield run.span()
        got += length * 3 // 4
        if got >= needed or run[0].endswith(b"=") or (width and length != width):
            return
        width = length if run.start() > start else 0


def _packed(text: Characters, head: _Head) -> Judgement:
    body = unescaped(text.data[head.start :])
    runs = tuple(_plain_runs(body, 0, len(body)))
    decoded = decode_runs(body, runs)
    inflated = inflate.inflate(decoded.data[head.at :])
    if inflated is None:
        return Refuted("no gzip stream")
    if not inflated.data and runs[-1][1] < len(body):
        return Refuted("a gzip header with nothing behind it")
    start, length = text.span(head.start, head.start + int(decoded.starts()[-1]))
    if not inflated.whole:
        return Undecided("a gzip stream in text, longer than can be looked into", start, length)
    places = np.array((start, start + length))
    return Unfolded(f"gzip+{NAME}", inflated.data, places, len(inflated.data))

"""What is left of an armoured key whose first lines are missing: the lines before its END line.

Rules enforced here:

1. Only the last lines of one width are read, and what follows them up to the END line.
2. The last numbers of an RSA key prove it; other remains that look like lines of a body are
   undecided.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

from lockgate.formats.pem.armour import NEXT_LABEL, RUN, trimmed
from lockgate.formats.pkcs1 import tail
from lockgate.formats.rule_format import looks_random, placed
from lockgate.scan.evidence import Judgement, Proven, Refuted, Undecided
from lockgate.scan.text.base64 import decode_runs
from lockgate.scan.text.characters import Characters
from lockgate.scan.text.escapes import unescaped
from lockgate.scan.text.lines import Line, Run, lines_of

_MOST_CHARACTERS = 16 << 10
_LEAST_WIDTH = 32
_LEAST_LINES = 2
#: Last lines of which the longest run shows the column: two, and what leads to the END line.
_LOOKED_AT = 4


def judge(text: Characters) -> Judgement:
    """Settle an END line that stands at the match."""
    first = max(0, text.index - _MOST_CHARACTERS)
    before = text.data[first : text.index]
    label = _last_label(before)
    if label is not None and label[1] == b"BEGIN":
        return Refuted("the BEGIN line is there")
    start = label.end() if label else 0
    body = trimmed(unescaped(before[start:]))
    runs = _last_lines(body)
    if len(runs) < _LEAST_LINES:
        return Refuted("no lines of a body before the END line")
    offset, length = text.span(first + start + runs[0][0], first + start + runs[-1][1])
    return placed(_judge_runs(body, runs), "pem", offset, length)


def _last_label(text: bytes) -> re.Match[bytes] | None:
    """The last label in the text, searched from its end: there may be thousands."""
    labels = [label for word in (b"BEGIN", b"END") if (label := _last_with(text, word))]
    return max(labels, key=lambda label: label.start(), default=None)


def _last_with(text: bytes, word: bytes) -> re.Match[bytes] | None:
    at = text.rfind(word)
    while at > 0 and NEXT_LABEL.match(text, at - 1) is None:
        at = text.rfind(word, 0, at)
    return NEXT_LABEL.match(text, at - 1) if at > 0 else None


def _judge_runs(body: bytes, runs: Sequence[Run]) -> Judgement:
    """Read the lines from each of the four characters at which a group may begin."""
    (start, stop), *rest = runs
    texts = [decode_runs(body, ((start + skipped, stop), *rest)).data for skipped in range(4)]
    judgements = map(tail.judge, texts)
    proven = next((j for j in judgements if isinstance(j, Proven)), None)
    if proven is not None:
        return proven
    if looks_random(texts[0]):
        return Undecided("what is left of a private key whose beginning is missing", 0, 0)
    return Refuted("no random bytes before the END line")


def _longest(line: Line) -> int:
    """Which run of the line is the longest."""
    return max(range(len(line)), key=lambda i: _length(line[i]))


def _length(run: Run) -> int:
    return run[1] - run[0]


def _last_lines(body: bytes) -> list[Run]:
    """The data of the last lines of one width, the very last of which may be shorter."""
    lines = lines_of(body, RUN)
    if not lines:
        return []
    column = _longest(max(lines[-_LOOKED_AT:], key=lambda line: _length(line[_longest(line)])))
    runs = [line[column] if column < len(line) else (0, 0) for line in lines]
    *full, short = runs if _length(runs[-1]) else runs[:-1] or [(0, 0)]
    width = _length(full[-1]) if full else 0
    if width < max(_LEAST_WIDTH, _length(short)):
        return []
    same = takewhile(lambda run: _length(run) == width, reversed(full))
    return [*reversed(list(same)), short]

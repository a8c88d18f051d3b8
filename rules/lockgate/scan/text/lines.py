"""Which part of each line is data: between prefixes of logs, quotes, numbers and comments.

Rules enforced here:

1. How lines were prefixed is tried out, not guessed: each reading is told apart by what it
   takes of each line, the likeliest first, equal ones once.
2. The line with the longest run shows the column; the data of all other lines stand in it.
3. That all runs are data is tried last: a seed cannot tell a prefix among its bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

#: Start and stop of one run of data characters.
Run = tuple[int, int]
Line = list[Run]

_LINE = re.compile(rb"(?:[^\n]|\n\0)+")
_ANY_LINE = re.compile(rb"[^\n]+")
_MARKS = b"+-/_"
_LEAST_LINES = 3
#: Runs in one line that are looked at.
_MOST_RUNS = 4096


def lines_of(text: bytes, run: re.Pattern[bytes]) -> list[Line]:
    """The runs of every line that has any.

    A newline followed by fill is the escape of one: it parts lines only where the text has no
    lines of its own.
    """
    parts = list(_LINE.finditer(text))
    if len(parts) < _LEAST_LINES:
        parts = list(_ANY_LINE.finditer(text))
    lines = ([m.span() for m in run.finditer(text, p.start(), p.end())] for p in parts)
    return [line[:_MOST_RUNS] for line in lines if line]


def readings(text: bytes, lines: Sequence[Line]) -> Iterator[tuple[Run, ...]]:
    """The ways to read the lines: which runs are data, in order."""
    tried: set[tuple[Run, ...]] = set()
    for reading in _readings(lines):
        for runs in (tuple(reading), tuple(_without_marks(text, reading))):
            if runs and runs not in tried:
                tried.add(runs)
                yield runs


def _readings(lines: Sequence[Line]) -> Iterator[list[Run]]:
    everything = [run for line in lines for run in line]
    if len(everything) == len(lines):
        yield everything
        return
    column, from_end = _column(lines)
    inner = lines[1:-1] if len(lines) > _LEAST_LINES else lines
    for chosen in (lines, lines[1:], inner, lines[:-1]):
        yield _pick(chosen, lambda line: line[column] if column < len(line) else None)
        yield _pick(chosen, lambda line: line[from_end] if -from_end <= len(line) else None)
    yield _pick(lines, lambda line: max(line, key=_length))
    yield _pick(inner, lambda line: max(line, key=_length))
    yield everything


def _pick(lines: Sequence[Line], choose: Callable[[Line], Run | None]) -> list[Run]:
    return [run for line in lines if (run := choose(line)) is not None]


def _column(lines: Sequence[Line]) -> tuple[int, int]:
    """Where the longest run stands in its line, from the start and from the end."""
    line = max(lines, key=lambda line: max(map(_length, line)))
    column = max(range(len(line)), key=lambda i: _length(line[i]))
    return column, column - len(line)


def _length(run: Run) -> int:
    return run[1] - run[0]


def _without_marks(text: bytes, runs: Sequence[Run]) -> list[Run]:
    """The runs without the marks that begin every one of them: those of a diff or a comment."""
    marks = 0
    heads = [text[start : min(stop, start + 3)] for start, stop in runs]
    while heads and marks < min(map(len, heads)) and _same_mark(heads, marks):
        marks += 1
    return [(start + marks, stop) for start, stop in runs if stop - start > marks]


def _same_mark(heads: Sequence[bytes], at: int) -> bool:
    return heads[0][at] in _MARKS and all(head[at] == heads[0][at] for head in heads)

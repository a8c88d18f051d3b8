"""Where reports go: text for people, JSON lines, or one SARIF log.

Rules enforced here:

1. Standard output carries reports and nothing else; progress goes to standard error.
2. Colours and progress bars appear on a terminal only, and never with ``NO_COLOR``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Protocol

from lockgate.cli import text
from lockgate.cli.sarif import to_sarif
from lockgate.scan import engine
from lockgate.scan.report import EngineInfo, Report, report_to_json


class Format(StrEnum):
    """How reports are printed."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


class Output(Protocol):
    """Takes reports as they are made."""

    def show(self, report: Report) -> None:
        """Print or keep one report."""
        ...

    def progress(self, name: bytes) -> engine.Progress | None:
        """What to call while the file ``name`` is read, if anything."""
        ...


class _Bars(Protocol):
    def progress(self, name: bytes, /) -> engine.Progress | None: ...

    def clear(self) -> None: ...


class _Lines(Protocol):
    def print(self, line: str, style: str = "", /) -> None: ...


@contextmanager
def printer(form: Format, info: EngineInfo) -> Iterator[Output]:
    """The output for ``form``; a SARIF log is written at the end."""
    bars = _bars()
    try:
        match form:
            case Format.TEXT:
                yield _Text(bars, _lines())
            case Format.JSON:
                yield _Json(bars)
            case Format.SARIF:
                kept: list[Report] = []
                yield _Kept(bars, kept)
                sys.stdout.write(json.dumps(to_sarif(kept, info), indent=2) + "\n")
    finally:
        bars.clear()


def _bars() -> _Bars:
    if not sys.stderr.isatty():
        return _NoBars()
    from lockgate.cli.terminal import Bars

    return Bars()


def _lines() -> _Lines:
    if not sys.stdout.isatty():
        return _PlainLines()
    from lockgate.cli.terminal import Lines

    return Lines()


class _NoBars:
    """Standard error is no terminal: nobody watches."""

    def progress(self, _name: bytes) -> None:
        """No bar."""

    def clear(self) -> None:
        """Nothing to take off."""


class _PlainLines:
    """Lines on standard output that is no terminal."""

    def print(self, line: str, _style: str = "") -> None:
        """One line."""
        sys.stdout.write(f"{line}\n")


class _Text:
    def __init__(self, bars: _Bars, lines: _Lines) -> None:
        self.progress = bars.progress
        self._clear = bars.clear
        self._print = lines.print

    def show(self, report: Report) -> None:
        self._clear()
        self._print(text.headline(report), text.STYLES[report.outcome])
        for line in text.details(report):
            self._print(line)
        sys.stdout.flush()


class _Json:
    def __init__(self, bars: _Bars) -> None:
        self.progress = bars.progress
        self._clear = bars.clear

    def show(self, report: Report) -> None:
        self._clear()
        sys.stdout.write(json.dumps(report_to_json(report)) + "\n")
        sys.stdout.flush()


class _Kept:
    def __init__(self, bars: _Bars, kept: list[Report]) -> None:
        self.progress = bars.progress
        self._kept = kept

    def show(self, report: Report) -> None:
        self._kept.append(report)

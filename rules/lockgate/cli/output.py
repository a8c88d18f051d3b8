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

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn
from rich.text import Text

from lockgate.cli import text
from lockgate.cli.sarif import to_sarif
from lockgate.scan import engine
from lockgate.scan.names import escape_name
from lockgate.scan.report import EngineInfo, Report, report_to_json

#: Files smaller than this show no progress bar (bytes).
_LONG_BYTES = 64 << 20


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


@contextmanager
def printer(form: Format, info: EngineInfo) -> Iterator[Output]:
    """The output for ``form``; a SARIF log is written at the end."""
    bars = _Bars()
    try:
        match form:
            case Format.TEXT:
                yield _Text(bars)
            case Format.JSON:
                yield _Json(bars)
            case Format.SARIF:
                kept: list[Report] = []
                yield _Kept(bars, kept)
                sys.stdout.write(json.dumps(to_sarif(kept, info), indent=2) + "\n")
    finally:
        bars.clear()


class _Bars:
    """Progress bars on standard error, one at a time."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar: Progress | None = None

    def progress(self, name: bytes) -> engine.Progress | None:
        """A progress bar for ``name``, shown once it is known to be a long scan."""
        self.clear()
        if not self._console.is_terminal:
            return None
        label = escape(escape_name(name))

        def tell(done: int, size: int) -> None:
            if size < _LONG_BYTES:
                return
            if self._bar is None:
                columns = (
                    "{task.description}",
                    BarColumn(),
                    DownloadColumn(),
                    TimeRemainingColumn(),
                )
                self._bar = Progress(*columns, console=self._console, transient=True)
                self._bar.add_task(label, total=size)
                self._bar.start()
            self._bar.update(self._bar.task_ids[0], completed=done, total=size)

        return tell

    def clear(self) -> None:
        """Take the bar off the terminal."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class _Text:
    def __init__(self, bars: _Bars) -> None:
        self.progress = bars.progress
        self._clear = bars.clear
        self._console = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)

    def show(self, report: Report) -> None:
        self._clear()
        style = text.STYLES[report.outcome]
        self._console.print(Text(text.headline(report), style=style))
        for line in text.details(report):
            self._console.print(Text(line))


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

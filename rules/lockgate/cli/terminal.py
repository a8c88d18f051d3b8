"""What a terminal gets more than a file: colours, and a bar while a long file is read.

Rule enforced here: this module alone imports rich, and it is imported for a terminal only, so
that a scan of a small file in a pipeline does not wait for it.
"""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn
from rich.text import Text

from lockgate.scan import engine
from lockgate.scan.names import escape_name

#: Files smaller than this show no progress bar (bytes).
_LONG_BYTES = 64 << 20


class Bars:
    """Progress bars on standard error, one at a time."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar: Progress | None = None

    def progress(self, name: bytes) -> engine.Progress:
        """A progress bar for ``name``, shown once it is known to be a long scan."""
        self.clear()
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


class Lines:
    """Lines on standard output, coloured unless ``NO_COLOR`` is set."""

    def __init__(self) -> None:
        self._console = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)

    def print(self, line: str, style: str = "") -> None:
        """One line."""
        self._console.print(Text(line, style=style))

"""What the commands of one host's agent share: options, and failures that say what to do.

Rules enforced here: exit codes are 0 done, 1 could not, 2 usage; what goes wrong in an
expected way is one line on standard error, never a trace.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer

StateDir = Annotated[Path, typer.Option("--state-dir", help="Where the agent keeps its state.")]
RunDir = Annotated[
    Path, typer.Option("--run-dir", readable=False, help="Where the agent keeps its sockets.")
]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]
USAGE = 2


@contextmanager
def failures() -> Iterator[None]:
    """What goes wrong in an expected way, as one line instead of a trace."""
    from lockgate.wire.settings import SettingsError

    try:
        yield
    except (SettingsError, ValueError) as error:
        fail(str(error), USAGE)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        fail(f"{where}{error.strerror or error}", 1)
    except Exception as error:
        if not type(error).__module__.startswith("lockgate."):
            raise
        fail(str(error), 1)


def fail(text: str, code: int) -> NoReturn:
    """Say what went wrong and what to do, and end with ``code``."""
    sys.stderr.write(f"lockgate agent: {text}\n")
    raise typer.Exit(code)

"""What commands print: tables for people, one JSON object per line for programs.

Rules enforced here: what a person did wrong is one line on stderr and exit code 2, never a stack
trace; a table is cut to the width of a terminal and never otherwise.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

#: Columns of a table that no terminal shows: nothing of it is cut.
_UNCUT = 10_000
#: Exit codes: what was asked is wrong or refused; nobody answers.
REFUSED, UNREACHABLE = 2, 4


def show(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """Print rows: all that they hold as JSON, or ``columns`` of them as a table."""
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row, ensure_ascii=False))
        return
    table = Table(*columns)
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in columns))
    width = None if sys.stdout.isatty() else _UNCUT
    Console(highlight=False, markup=False, width=width).print(table)


def fail(command: str, text: str, code: int = REFUSED) -> NoReturn:
    """End the command with one line."""
    print(f"lockgate {command}: {text}", file=sys.stderr)
    raise typer.Exit(code)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" for key, item in value.items())
    return str(value)

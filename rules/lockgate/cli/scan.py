"""``lockgate scan``: the scan contract on the command line.

Rules enforced here:

1. Exit code over all paths: 1 if any outcome is found, else 3 if any is incomplete, else 0;
   2 for wrong usage, for a path that does not exist (nothing is scanned then), and when the
   reports cannot be printed.
2. ``--format json`` prints one object per line and top-level file, as soon as it is known;
   standard output carries nothing else.
3. Progress and colours appear on a terminal only; ``NO_COLOR`` is obeyed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from lockgate.cli.hardening import forbid_core_dumps
from lockgate.cli.output import Format, Output, printer
from lockgate.cli.targets import reports
from lockgate.formats.scanner import standard_scanner
from lockgate.scan.engine import Scanner
from lockgate.scan.limits import Profile
from lockgate.scan.names import escape_name
from lockgate.scan.registry import Registry
from lockgate.scan.report import Outcome, Report

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

_UNPRINTED = 2
_CODES = {Outcome.CLEAN: 0, Outcome.INCOMPLETE: 3, Outcome.FOUND: 1}
#: Found outweighs incomplete, which outweighs clean.
_GRAVITY = (0, 3, 1)


@app.command()
def scan(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Files, folders, or - for stdin.")
    ],
    *,
    format_: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TEXT,
    registry: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A registry of protected keys; may be repeated."),
    ] = None,
    profile: Annotated[Profile, typer.Option(help="How deep to look.")] = Profile.STANDARD,
    strict: Annotated[
        bool, typer.Option("--strict", help="Any finding at all makes the outcome found.")
    ] = False,
) -> None:
    """Look for private keys in files, memory dumps and archives.

    Exit code 1: found; 3: not everything could be looked at; 0: clean; 2: wrong usage.
    """
    forbid_core_dumps()
    _require_all(paths)
    scanner = _scanner(registry or [], profile, strict=strict)
    try:
        with printer(format_, scanner.info) as output:
            found = reports(scanner, paths, sys.stdin.buffer, output.progress)
            code = _show_all(found, output)
        sys.stdout.flush()
    except OSError as error:
        sys.stderr.write(f"lockgate scan: cannot print the reports: {error.strerror}\n")
        sys.stderr.flush()
        # The interpreter would try once more to write what is buffered, and end with 120.
        os._exit(_UNPRINTED)
    raise typer.Exit(code)


def _require_all(paths: list[Path]) -> None:
    for path in paths:
        if str(path) != "-" and not os.path.lexists(path):
            raise typer.BadParameter(f"no such path: {escape_name(os.fsencode(path))}")


def _scanner(registries: list[Path], profile: Profile, *, strict: bool) -> Scanner:
    try:
        registry = Registry.load(registries)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(str(error), param_hint="--registry") from None
    return standard_scanner(registry, profile=profile, strict=strict)


def _show_all(reports: Iterable[Report], output: Output) -> int:
    """Show each report and return the exit code over all."""
    code = 0
    for report in reports:
        output.show(report)
        code = max(code, _CODES[report.outcome], key=_GRAVITY.index)
    return code

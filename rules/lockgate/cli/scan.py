"""``lockgate scan``: the scan contract on the command line.

Rules enforced here:

1. Exit code over all paths: 1 if any outcome is found, else 3 if any is incomplete, else 0;
   2 for wrong usage, for a path that does not exist (nothing is scanned then), and when the
   reports cannot be printed.
2. ``--format json`` prints one object per line and top-level file, as soon as it is known;
   standard output carries nothing else.
3. Progress and colours appear on a terminal only; ``NO_COLOR`` is obeyed.
4. The command is called for many small files, so it imports nothing that a scan does not need;
   the command line is read by argparse, because typer's start takes as long as a scan.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from lockgate.cli.hardening import forbid_core_dumps
from lockgate.cli.output import Format, Output, printer
from lockgate.cli.targets import reports
from lockgate.formats.scanner import standard_scanner
from lockgate.scan.engine import Scanner
from lockgate.scan.limits import Profile
from lockgate.scan.names import escape_name
from lockgate.scan.registry import Registry
from lockgate.scan.report import Outcome, Report

_UNPRINTED = 2
_CODES = {Outcome.CLEAN: 0, Outcome.INCOMPLETE: 3, Outcome.FOUND: 1}
#: Found outweighs incomplete, which outweighs clean.
_GRAVITY = (0, 3, 1)


def app(args: Sequence[str], prog_name: str) -> None:
    """Scan what the command line ``args`` names, and exit as rule 1 says."""
    parser = _parser(prog_name)
    given = parser.parse_intermixed_args(args)
    forbid_core_dumps()
    try:
        scanner = _scanner(given)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    try:
        with printer(Format(given.format), scanner.info) as output:
            found = reports(scanner, given.paths, sys.stdin.buffer, output.progress)
            code = _show_all(found, output)
        sys.stdout.flush()
    except OSError as error:
        sys.stderr.write(f"{prog_name}: cannot print the reports: {error.strerror}\n")
        sys.stderr.flush()
        # The interpreter would try once more to write what is buffered, and end with 120.
        os._exit(_UNPRINTED)
    sys.exit(code)


def _parser(prog_name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog_name,
        description="Look for private keys in files, memory dumps and archives.",
        epilog="Exit code 1: found; 3: not everything could be looked at; 0: clean; "
        "2: wrong usage.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("paths", nargs="+", type=_existing, metavar="PATH", help="files, folders, or - for stdin")
    add("--format", choices=[form.value for form in Format], default=Format.TEXT.value,
        help="how to print (%(default)s)")  # fmt: skip
    add("--registry", type=Path, action="append", default=[], metavar="FILE",
        help="a registry of protected keys; may be repeated")  # fmt: skip
    add("--profile", choices=[p.value for p in Profile], default=Profile.STANDARD.value,
        help="how deep to look (%(default)s)")  # fmt: skip
    add("--strict", action="store_true", help="any finding at all makes the outcome found")
    return parser


def _existing(name: str) -> Path:
    if name != "-" and not os.path.lexists(name):
        raise argparse.ArgumentTypeError(f"no such path: {escape_name(os.fsencode(name))}")
    return Path(name)


def _scanner(given: argparse.Namespace) -> Scanner:
    try:
        registry = Registry.load(given.registry)
    except (OSError, ValueError) as error:
        raise ValueError(f"--registry: {error}") from None
    return standard_scanner(registry, profile=Profile(given.profile), strict=given.strict)


def _show_all(reports: Iterable[Report], output: Output) -> int:
    """Show each report and return the exit code over all."""
    code = 0
    for report in reports:
        output.show(report)
        code = max(code, _CODES[report.outcome], key=_GRAVITY.index)
    return code

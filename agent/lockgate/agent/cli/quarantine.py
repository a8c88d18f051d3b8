"""``lockgate agent quarantine``: files that were moved away, and what may become of them.

Rules enforced here: names of files are shown escaped; a restore says that the file is judged
again; only encrypted copies leave.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from lockgate.agent.cli.common import Json, RunDir, StateDir, failures
from lockgate.agent.config import DEFAULT_RUN, DEFAULT_STATE

app = typer.Typer(help="Files that were moved away.", no_args_is_help=True)


@app.command("list")
def quarantine_list(state_dir: StateDir = DEFAULT_STATE, as_json: Json = False) -> None:  # noqa: FBT002 - a flag
    """List the files in quarantine, oldest first."""
    from dataclasses import asdict

    from lockgate.agent.quarantine.store import read_index
    from lockgate.scan.names import escape_name

    with failures():
        entries = sorted(read_index(state_dir / "quarantine"), key=lambda entry: entry.time)
    for entry in entries:
        if as_json:
            typer.echo(json.dumps(asdict(entry), sort_keys=True))
        else:
            name = escape_name(entry.original)
            typer.echo(f"{entry.quarantine_id}  {entry.time}  {entry.size:>12}  {name}")


@app.command("restore")
def quarantine_restore(
    quarantine_id: Annotated[str, typer.Argument(metavar="ID")],
    zone: Annotated[Path, typer.Option(help="The zone the file came from.")],
    to: Annotated[Path | None, typer.Option(help="Another path on the same filesystem.")] = None,
    state_dir: StateDir = DEFAULT_STATE,
    run_dir: RunDir = DEFAULT_RUN,
    as_json: Json = False,  # noqa: FBT002 - a flag
) -> None:
    """Put a file back; it is judged again at its next open."""
    from lockgate.agent.quarantine import restoring

    with failures():
        receipt = restoring.restore(state_dir, run_dir, zone, quarantine_id, to)
    line = {"enforcement": receipt.enforcement.value, "path": receipt.path}
    typer.echo(json.dumps(line) if as_json else f"put back: {receipt.path}")


@app.command("export")
def quarantine_export(
    quarantine_id: Annotated[str, typer.Argument(metavar="ID")],
    recipient: Annotated[list[str], typer.Option(help="Who may read it: age1...; repeatable.")],
    to: Annotated[Path, typer.Option(metavar="FILE", help="A file that does not exist yet.")],
    state_dir: StateDir = DEFAULT_STATE,
    run_dir: RunDir = DEFAULT_RUN,
    as_json: Json = False,  # noqa: FBT002 - a flag
) -> None:
    """Write an encrypted copy (age) for those who look into an incident; recorded."""
    from lockgate.agent.quarantine import exporting

    with failures():
        receipt = exporting.export(state_dir, run_dir, quarantine_id, recipient, to.absolute())
    line = {"detail": receipt.detail, "path": receipt.path}
    typer.echo(json.dumps(line) if as_json else f"{receipt.detail}: {receipt.path}")

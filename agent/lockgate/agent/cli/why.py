"""``lockgate agent why``: why an open was refused, and what to do.

Rules enforced here: the file is not opened; a file that nothing is known of is exit code 1.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lockgate.agent.cli.common import Json, RunDir, StateDir, failures
from lockgate.agent.config import DEFAULT_RUN, DEFAULT_STATE

if TYPE_CHECKING:
    from lockgate.agent.ports import Progress


def why(
    path: Annotated[Path, typer.Argument(readable=False, help="The file.")],
    state_dir: StateDir = DEFAULT_STATE,
    run_dir: RunDir = DEFAULT_RUN,
    as_json: Json = False,  # noqa: FBT002 - a flag
) -> None:
    """Explain the last verdict on a file: who tried, what was found, what to do."""
    from lockgate.agent.verdicts import journal
    from lockgate.agent.verdicts.why import last, sentences

    with failures():
        explained = last(journal.read(state_dir / "journal"), path)
    explained = replace(explained, progress=_progress(run_dir, path))
    if as_json:
        typer.echo(json.dumps(asdict(explained), sort_keys=True))
    else:
        for sentence in sentences(explained):
            typer.echo(sentence)
    if not any((explained.decision, explained.receipt, explained.progress)):
        raise typer.Exit(1)


def _progress(run_dir: Path, path: Path) -> Progress | None:
    """How far the running agent is with the file; None: it is not at it, or there is no agent."""
    from lockgate.agent.control import NoAgentError, ask
    from lockgate.agent.ports import Progress
    from lockgate.agent.verdicts.why import status_of

    status = status_of(path)
    if status is None:
        return None
    numbers = {"device": status.st_dev, "inode": status.st_ino, "size": status.st_size}
    try:
        found = ask(run_dir, "progress", **numbers).get("progress")
    except NoAgentError:
        return None
    return Progress(**found) if found else None

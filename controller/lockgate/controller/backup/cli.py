"""``lockgate controller backup`` and ``restore``, on the controller's own host.

Rules enforced here: passwords are read from the terminal or from standard input, never from the
command line; what an operator did wrong is one line and exit code 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from lockgate.controller import config, process
from lockgate.controller.backup import making, restoring
from lockgate.controller.backup.archive import BackupError
from lockgate.controller.identity.faults import IdentityError
from lockgate.controller.ledger.verify import UnreadableLedger
from lockgate.controller.options import Config, Dir
from lockgate.controller.output import fail
from lockgate.controller.people.cli import FromStdin, PasswordError, read_password
from lockgate.controller.store.database import StoreError
from lockgate.wire.settings import SettingsError

_FAULTS = (
    BackupError,
    SettingsError,
    StoreError,
    IdentityError,
    UnreadableLedger,
    PasswordError,
    OSError,
)


def backup(
    file: Annotated[Path, typer.Argument(help="File to write; must not exist.")],
    state: Dir = None,
    config_file: Config = None,
    *,
    with_identity: Annotated[
        bool, typer.Option("--with-identity", help="Also the private keys; guard the file.")
    ] = False,
) -> None:
    """Copy the store of a controller, which may be running, into one file."""
    with _faults("backup"):
        process.harden()
        settings = config.load(config_file, {"state_dir": state})
        made = making.make(settings, file, with_identity=with_identity)
    typer.echo(f"made {file}: {made.size} ledger entries, {made.made_at}")


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `backup` made.")],
    state: Dir = None,
    config_file: Config = None,
    checkpoint: Annotated[
        list[Path] | None, typer.Option(help="A checkpoint kept elsewhere; may be repeated.")
    ] = None,
    accept_rewind: Annotated[
        str, typer.Option(metavar="REASON", help="Give up what the backup lacks, for this reason.")
    ] = "",
    by: Annotated[
        list[str] | None, typer.Option(help="An administrator who vouches; two are needed.")
    ] = None,
    *,
    password_stdin: FromStdin = False,
) -> None:
    """Put a backup in the place of the store of a controller that does not run."""
    with _faults("restore"):
        process.harden()
        settings = config.load(config_file, {"state_dir": state})
        approvers = tuple((name, read_password(from_stdin=password_stdin)) for name in by or [])
        kept = tuple(path.read_text("utf-8", "replace") for path in checkpoint or [])
        order = restoring.Order(file, kept, accept_rewind.strip(), approvers)
        done = restoring.restore(settings, order)
    typer.echo(f"restored {done.size} ledger entries of {done.manifest.made_at}")
    if done.lost is not None:
        typer.echo(f"LOST: what followed, up to {done.lost.size} entries; it is on the record")


@contextmanager
def _faults(verb: str) -> Iterator[None]:
    try:
        yield
    except _FAULTS as error:
        fail(f"controller {verb}", str(error))

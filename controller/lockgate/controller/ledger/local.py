"""What commands that read the ledger on the controller's own host share.

Rules enforced here: the store is opened to read only; what an operator did wrong is one line and
exit code 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from sqlalchemy import Connection

from lockgate.controller.config import ControllerSettings
from lockgate.controller.ledger.verify import UnreadableLedger
from lockgate.controller.store.database import StoreError, open_reader, store_faults
from lockgate.wire.settings import SettingsError

ApiLogin = Annotated[
    Path | None,
    typer.Option(
        "--login",
        envvar="LOCKGATE_LOGIN",
        help="Ask the API with the login in this folder; else the state folder is read.",
        show_default=False,
    ),
]

_FAULTS = (UnreadableLedger, SettingsError, StoreError, LookupError, ValueError, OSError)


def reads_store(login: Path | None, state: Path | None, config_file: Path | None) -> bool:
    """Whether a command reads the store: it has no login, or a state folder was named."""
    return login is None or state is not None or config_file is not None


@contextmanager
def faults() -> Iterator[None]:
    """What an operator did wrong inside is one line and exit code 2."""
    try:
        yield
    except TypeError:  # SQLite keeps any type in any column; SQLAlchemy then cannot make bytes
        _fail("the store is damaged: text stands where bytes belong")
    except _FAULTS as error:
        _fail(str(error))


def _fail(text: str) -> NoReturn:
    typer.echo(text, err=True)
    raise typer.Exit(2) from None


@contextmanager
def reading(settings: ControllerSettings) -> Iterator[Connection]:
    """The store of these settings, in one transaction that only reads."""
    engine = open_reader(settings.store)
    try:
        with store_faults(), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()

"""``lockgate controller person``: the first people, and passwords, on the controller's own host.

Rules enforced here:

1. People are added here only until there are two administrators; from then on they propose and
   approve each other's changes. A lab (``second_person = false``) may go on here.
2. A password is set here alone: whoever is root on this host could anyway. Since that is a way to
   be somebody else, it is always alerted.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from lockgate.controller import clock, config, process, setup
from lockgate.controller.alerts import outbox
from lockgate.controller.alerts.event import notice_event
from lockgate.controller.alerts.ocsf import HIGH
from lockgate.controller.config import ControllerSettings
from lockgate.controller.ledger import Ledger
from lockgate.controller.options import Config, Dir
from lockgate.controller.output import fail
from lockgate.controller.people import passwords, people
from lockgate.controller.people.cli import FromStdin, read_password
from lockgate.controller.people.roles import Person, Role, is_name
from lockgate.controller.store.database import StoreError
from lockgate.wire.settings import SettingsError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="The first people of an installation, and passwords.",
)


#: Finds, or makes, who gets a password, in the transaction that sets it.
_Find = Callable[[Connection, ControllerSettings, datetime], Person]


class _PersonError(Exception):
    """What cannot be done, in one line."""


@app.command()
def add(
    name: str,
    role: Annotated[list[Role], typer.Option(help="A role; may be repeated.")],
    state: Dir = None,
    config_file: Config = None,
    *,
    password_stdin: FromStdin = False,
) -> None:
    """Add somebody with roles and a password, until there are two administrators."""
    if not is_name(name):
        fail("controller person", f"{name!r}: not lower-case letters, digits, dots and dashes")
    roles = frozenset(role)

    def work(connection: Connection, settings: ControllerSettings, now: datetime) -> Person:
        enough = people.administrators(connection) >= people.ADMINISTRATORS_NEEDED
        if enough and settings.second_person:
            raise _PersonError("there are administrators; use `lockgate person propose`")
        if people.named(connection, name) is not None:
            raise _PersonError(f"{name} is there already")
        return people.put(connection, Ledger(), name, roles, now)

    _set_password(name, state, config_file, work, from_stdin=password_stdin)


@app.command()
def password(
    name: str, state: Dir = None, config_file: Config = None, *, password_stdin: FromStdin = False
) -> None:
    """Give somebody a new password."""

    def work(connection: Connection, _settings: ControllerSettings, _now: datetime) -> Person:
        person = people.named(connection, name)
        if person is None:
            raise _PersonError(f"nobody here is called {name}")
        return person

    _set_password(name, state, config_file, work, from_stdin=password_stdin)


def _set_password(
    name: str, state: Path | None, config_file: Path | None, find: _Find, *, from_stdin: bool
) -> None:
    try:
        process.harden()
        settings = config.load(config_file, {"state_dir": state})
        kept = passwords.hashed(read_password(from_stdin=from_stdin))
        now = clock.now()

        def work(connection: Connection) -> None:
            person = find(connection, settings, now)
            index = people.set_password(connection, Ledger(), person, kept, now)
            outbox.put(connection, _told(person, index, now), index, clock.to_micros(now))

        setup.write(settings, work)
        typer.echo(f"{name} can log in: lockgate login HOST {name} --ca-sha256 ...")
    except (_PersonError, ValueError, SettingsError, StoreError, OSError) as error:
        fail("controller person", str(error))


def _told(person: Person, index: int, now: datetime) -> dict[str, Any]:
    """The alert of a password that was set; it names nobody."""
    title = "a person's password was set on the controller's host"
    message = "Whoever did so can log in as this person. Ask them whether they know of it."
    fields = {"event": "person-password", "person": person.id}
    return notice_event(title, message, "controller", HIGH, index, fields, now)

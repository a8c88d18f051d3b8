"""What an operator does to a controller's state: make it, admit a host, ban one.

Rules enforced here:

1. Nothing that exists is overwritten: a second ``init`` is refused.
2. These verbs may run beside the serving controller; each is one transaction with its ledger
   entry, and the store's write lock keeps them apart.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from sqlalchemy import Connection, Engine, update

from lockgate.controller import clock, entries
from lockgate.controller.config import DEFAULT_FILE, ControllerSettings
from lockgate.controller.identity import authority, tokens
from lockgate.controller.identity.authority import Authority
from lockgate.controller.identity.enrolment import Registrar
from lockgate.controller.ledger import Ledger
from lockgate.controller.store.database import StoreError, open_writer, store_faults
from lockgate.controller.store.migrate import migrate
from lockgate.controller.store.schema import agents

T = TypeVar("T")


def initialise(settings: ControllerSettings) -> Authority:
    """Make state folder, authority, keys and store.

    Raises:
        FileExistsError: there is a controller already.
    """
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.identity_dir.exists():
        raise FileExistsError(f"{settings.identity_dir}: there is a controller already")
    made = authority.create(settings.identity_dir, settings.trust_domain, clock.now())
    with _writing(settings) as engine:
        migrate(engine)
    now = clock.now()
    fields = {"trust_domain": made.trust_domain, "ca_sha256": made.sha256}
    _write(settings, lambda c: Ledger().append(c, entries.identity("controller-made", now, fields)))
    return made


def registrar(settings: ControllerSettings, ledger: Ledger) -> Registrar:
    """The registrar of this controller."""
    return Registrar(
        authority=authority.load(settings.identity_dir),
        ledger=ledger,
        life=timedelta(hours=settings.certificate_hours),
        grace=timedelta(days=settings.renewal_days),
    )


def make_token(settings: ControllerSettings, host: str | None, life: timedelta) -> tokens.JoinToken:
    """A recorded join token."""
    ours = registrar(settings, Ledger())
    return _write(settings, lambda c: ours.make_token(c, host, life, clock.now()))


def ban(settings: ControllerSettings, host: str, reason: str) -> bool:
    """Ban an agent; False when none is enrolled under that name."""
    now = clock.now()

    def work(connection: Connection) -> bool:
        values = {"banned_at": clock.to_micros(now), "ban_reason": reason}
        done = connection.execute(update(agents).where(agents.c.host == host).values(**values))
        if done.rowcount == 0:
            return False
        fields = {"host": host, "reason": reason}
        Ledger().append(connection, entries.identity("ban", now, fields))
        return True

    return _write(settings, work)


def _write(settings: ControllerSettings, work: Callable[[Connection], T]) -> T:
    if not settings.database.exists():
        raise StoreError(f"{settings.database}: no store here; run `lockgate controller init`")
    with _writing(settings) as engine, store_faults(), engine.begin() as connection:
        return work(connection)


@contextmanager
def _writing(settings: ControllerSettings) -> Iterator[Engine]:
    engine = open_writer(settings.database)
    try:
        yield engine
    finally:
        engine.dispose()


def write_settings(settings: ControllerSettings) -> None:
    """Put what ``init`` was told into the ``controller.toml`` of the state folder.

    Raises:
        FileExistsError: there is one already.
    """
    values = {"state_dir": str(settings.state_dir.resolve()), "listen": settings.listen}
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in values.items()]
    with (settings.state_dir / DEFAULT_FILE.name).open("x", encoding="utf-8") as file:
        file.writelines(lines)

"""What an operator does to a controller's state: make it, admit a host, turn one away.

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
from functools import partial
from socket import gethostname
from typing import TypeVar

from sqlalchemy import Connection, Engine

from lockgate.controller import clock, entries
from lockgate.controller.alerts import outbox
from lockgate.controller.alerts.event import notice_event
from lockgate.controller.alerts.ocsf import INFORMATIONAL
from lockgate.controller.config import DEFAULT_FILE, ControllerSettings
from lockgate.controller.identity import authority, exclusion, tokens
from lockgate.controller.identity.authority import Authority
from lockgate.controller.identity.enrolment import Registrar
from lockgate.controller.ledger import Ledger
from lockgate.controller.refusals import Refusal, RefusedError
from lockgate.controller.store.database import (
    StoreError,
    exists,
    name_of,
    open_writer,
    store_faults,
)
from lockgate.controller.store.migrate import migrate

T = TypeVar("T")

#: Who does what is done on the controller's own host, for the ledger.
_OPERATOR = "operator"
_TEST = "test of the alert feed"
_TEST_MESSAGE = "An operator asked for this event. Nothing has happened."


def initialise(settings: ControllerSettings) -> Authority:
    """Make state folder, authority, keys and store.

    Raises:
        FileExistsError: there is a controller already.
    """
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.identity_dir.exists():
        raise FileExistsError(f"{settings.identity_dir}: there is a controller already")
    if exists(settings.store):
        place = name_of(settings.store)
        raise FileExistsError(f"{place}: there is a store already; copy its controller's identity")
    made = authority.create(
        settings.identity_dir, settings.trust_domain, clock.now(), settings.authority
    )
    with _writing(settings) as engine:
        migrate(engine)
    now = clock.now()
    fields = {"trust_domain": made.trust_domain, "ca_sha256": made.sha256}
    write(settings, lambda c: Ledger().append(c, entries.identity("controller-made", now, fields)))
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
    """A recorded join token.

    Raises:
        RefusedError: the host is banned, or has no name a host can have.
    """
    ours = registrar(settings, Ledger())
    return write(settings, lambda c: _granted(ours.make_token(c, host, life, clock.now())))


def ban(settings: ControllerSettings, host: str, reason: str) -> None:
    """Refuse an agent until it is unbanned; see ``identity.exclusion``.

    Raises:
        RefusedError: none is enrolled under that name.
    """
    now = clock.now()
    turn_away = partial(exclusion.ban, host=host, reason=reason, now=now, by=_OPERATOR)
    write(settings, lambda c: _granted(turn_away(c, Ledger())))


def unban(settings: ControllerSettings, host: str, reason: str) -> None:
    """End a ban.

    Raises:
        RefusedError: none is banned under that name.
    """
    now = clock.now()
    let_in = partial(exclusion.unban, host=host, reason=reason, now=now, by=_OPERATOR)
    write(settings, lambda c: _granted(let_in(c, Ledger())))


def evict(settings: ControllerSettings, host: str, reason: str) -> int:
    """Revoke every certificate of an agent; how many those were.

    Raises:
        RefusedError: none is enrolled under that name.
    """
    now = clock.now()
    turn_away = partial(exclusion.evict, host=host, reason=reason, now=now, by=_OPERATOR)
    return write(settings, lambda c: _granted(turn_away(c, Ledger())))


def _granted(answer: T | Refusal) -> T:
    if isinstance(answer, Refusal):
        raise RefusedError(answer)
    return answer


def send_test_event(settings: ControllerSettings) -> str:
    """Put an event into the outbox that tells of nothing; its uid."""
    now = clock.now()

    def work(connection: Connection) -> str:
        index = Ledger().append(connection, entries.identity("alert-test", now, {}))
        fields = {"event": "alert-test"}
        told = notice_event(_TEST, _TEST_MESSAGE, gethostname(), INFORMATIONAL, index, fields, now)
        outbox.put(connection, told, index, clock.to_micros(now))
        return str(told["metadata"]["uid"])

    return write(settings, work)


def write(settings: ControllerSettings, work: Callable[[Connection], T]) -> T:
    """Do one unit of work beside the serving controller, if there is one."""
    if not exists(settings.store):
        raise StoreError(
            f"{name_of(settings.store)}: no store here; run `lockgate controller init`"
        )
    with _writing(settings) as engine, store_faults(), engine.begin() as connection:
        return work(connection)


@contextmanager
def _writing(settings: ControllerSettings) -> Iterator[Engine]:
    engine = open_writer(settings.store)
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
    if settings.database:
        values["database"] = settings.database
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in values.items()]
    with (settings.state_dir / DEFAULT_FILE.name).open("x", encoding="utf-8") as file:
        file.writelines(lines)

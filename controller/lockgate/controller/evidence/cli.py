"""``lockgate ledger search|key|coverage``: questions to the ledger.

Rules enforced here:

1. With ``--login`` the controller's API is asked, and that it was is recorded; without it, or where
   a state folder is named, the store is read on the controller's own host. The answers are the
   same.
2. Exit codes: 0 answered, 2 a wrong question or nothing to read, 4 no controller answers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import grpc
import typer

from lockgate.controller import clock, config
from lockgate.controller.api import TIMEOUT_S as TIMEOUT
from lockgate.controller.api import session
from lockgate.controller.evidence import text
from lockgate.controller.evidence.answers import coverage_of, key_answer
from lockgate.controller.evidence.coverage import DAY, Day, HostDay, inventory
from lockgate.controller.evidence.key import Asked
from lockgate.controller.evidence.search import Found, Page, Wanted, as_row, search
from lockgate.controller.evidence.service import DAYS, entry_from_wire
from lockgate.controller.ledger.local import (
    ApiLogin,
    faults,
    reading,
    reads_store,
)
from lockgate.controller.options import AsJson, Config, Dir
from lockgate.controller.output import show
from lockgate.controller.people import people
from lockgate.v1 import ledger_pb2 as pb
from lockgate.v1 import ledger_pb2_grpc, person_pb2, person_pb2_grpc
from lockgate.wire.convert.values import timestamp

app = typer.Typer(pretty_exceptions_enable=False)

Since = Annotated[str | None, typer.Option(help="From this time on: RFC 3339, or a date (UTC).")]
Until = Annotated[str | None, typer.Option(help="Before this time.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="The most to show.")]
_COLUMNS = ("index", "time", "kind", "host", "zone", "transfer_id", "person")


@app.command("search")
def search_(
    state: Dir = None,
    config_file: Config = None,
    login: ApiLogin = None,
    host: Annotated[str, typer.Option()] = "",
    zone: Annotated[str, typer.Option()] = "",
    kind: Annotated[str, typer.Option(help="Of the entry, e.g. verdict, guard, view.")] = "",
    transfer: Annotated[str, typer.Option(help="Id of a transfer.")] = "",
    fingerprint: Annotated[str, typer.Option(help="Of a key: entries of its transfers.")] = "",
    sha256: Annotated[str, typer.Option(help="Of a content: entries of its transfers.")] = "",
    person: Annotated[str, typer.Option(help="Name or id of who did something.")] = "",
    since: Since = None,
    until: Until = None,
    before: Annotated[int | None, typer.Option(help="Only entries before this index.")] = None,
    limit: Limit = 100,
    *,
    as_json: AsJson = False,
) -> None:
    """Entries by what they say, the newest first."""
    with faults():
        wanted = Wanted(
            host,
            zone,
            kind,
            transfer,
            fingerprint,
            sha256,
            person,
            _time(since),
            _time(until),
            before,
        )
        if login is None or reads_store(login, state, config_file):
            settings = config.load(config_file, {"state_dir": state})
            with reading(settings) as connection:
                known = people.named(connection, person) if person else None
                page = search(
                    connection, replace(wanted, person=known.id if known else person), limit
                )
        else:
            with session(login, "ledger search") as channel:
                page = _remote_search(channel, wanted, limit)
    show([as_row(found) for found in page.entries], _COLUMNS, as_json=as_json)
    if page.older is not None:
        typer.echo(f"there are more: --before {page.older}", err=True)


def _remote_search(channel: grpc.Channel, wanted: Wanted, limit: int) -> Page:
    request = pb.SearchLedgerRequest(
        host=wanted.host,
        zone=wanted.zone,
        kind=wanted.kind,
        transfer_id=wanted.transfer,
        fingerprint=wanted.fingerprint,
        sha256=wanted.sha256,
        person_id=_person_id(channel, wanted.person),
        before=wanted.before,
        limit=limit,
    )
    _set_times(request, wanted.since, wanted.until)
    answer = ledger_pb2_grpc.LedgerServiceStub(channel).SearchLedger(request, timeout=TIMEOUT)
    entries: tuple[Found, ...] = tuple(entry_from_wire(message) for message in answer.entries)
    return Page(entries, answer.older if answer.HasField("older") else None)


def _person_id(channel: grpc.Channel, person: str) -> str:
    """The id of a name: what is asked is recorded, and names are erasable."""
    if not person:
        return ""
    stub = person_pb2_grpc.PersonServiceStub(channel)
    everybody = stub.ListPeople(person_pb2.ListPeopleRequest(), timeout=TIMEOUT).people
    return next((each.person_id for each in everybody if each.name == person), person)


@app.command()
def key(
    key: Annotated[str, typer.Argument(help="Fingerprint, or the name of a protected key.")],
    state: Dir = None,
    config_file: Config = None,
    login: ApiLogin = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    *,
    as_json: AsJson = False,
) -> None:
    """Where a key has been, who read it, since when, and when there is no evidence."""
    with faults():
        end = _time(until)
        asked = Asked(key, _time(since), _now() if end is None else end, limit)
        if login is None or reads_store(login, state, config_file):
            settings = config.load(config_file, {"state_dir": state})
            with reading(settings) as connection:
                raw = key_answer(connection, asked)
        else:
            request = pb.GetKeyHistoryRequest(key=key, limit=limit)
            _set_times(request, asked.since, end)
            with session(login, "ledger key") as channel:
                stub = ledger_pb2_grpc.LedgerServiceStub(channel)
                raw = stub.GetKeyHistory(request, timeout=TIMEOUT).answer
    if as_json:
        typer.echo(raw.decode())
    else:
        typer.echo(text.key_history(json.loads(raw)))


@app.command()
def coverage(
    hosts: Annotated[Path, typer.Option(help="Inventory: one host a line.")],
    state: Dir = None,
    config_file: Config = None,
    login: ApiLogin = None,
    since: Since = None,
    until: Until = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Which hosts of an inventory were enforcing on each day; the last seven without --since."""
    with faults():
        names = inventory(hosts.read_text("utf-8-sig"))
        end = min(_time(until) or _now(), _now())
        start = _time(since) if since else end - end % DAY - 6 * DAY
        assert start is not None
        if login is None or reads_store(login, state, config_file):
            settings = config.load(config_file, {"state_dir": state})
            with reading(settings) as connection:
                days = coverage_of(connection, names, start, end)
        else:
            with session(login, "ledger coverage") as channel:
                days = _remote_coverage(channel, names, start, end)
    if as_json:
        show([{**asdict(day), "day": day.day.value} for day in days], (), as_json=True)
    else:
        typer.echo(text.coverage(days))


def _remote_coverage(
    channel: grpc.Channel, names: Sequence[str], start: int, end: int
) -> list[HostDay]:
    request = pb.GetCoverageRequest(hosts=names)
    _set_times(request, start, end)
    answer = ledger_pb2_grpc.LedgerServiceStub(channel).GetCoverage(request, timeout=TIMEOUT)
    return [
        HostDay(
            host=day.host,
            date=day.date,
            day=DAYS.word(day.day) or Day.UNKNOWN,
            enforcing_hours=day.enforcing_hours,
            not_enforcing_hours=day.not_enforcing_hours,
            unknown_hours=day.unknown_hours,
        )
        for day in answer.days
    ]


def _set_times(request: Any, since: int | None, until: int | None) -> None:
    for name, micros in (("since", since), ("until", until)):
        if micros is not None:
            getattr(request, name).CopyFrom(timestamp(clock.from_micros(micros)))


def _time(given: str | None) -> int | None:
    """A time of the command line in micros; without a zone it is UTC.

    Raises:
        ValueError: it is none.
    """
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise ValueError(f"{given}: not a time; try 2026-11-21 or 2026-11-21T12:00:00Z") from None
    return clock.to_micros(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _now() -> int:
    return clock.to_micros(clock.now())

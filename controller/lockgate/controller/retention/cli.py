"""``lockgate ledger retention|keep|hold|erase|accept-clock``: how long evidence stays.

Rules enforced here: what lets evidence go is proposed over the API, and made when somebody else
approves it (``lockgate change``); only the word that the clock is right is given on the
controller's own host.
"""

from __future__ import annotations

from typing import Annotated, Any

import grpc
import typer

from lockgate.controller import clock, config, setup
from lockgate.controller.api import TIMEOUT_S as TIMEOUT
from lockgate.controller.api import Login, session
from lockgate.controller.changes.proposing import Reason, proposed
from lockgate.controller.evidence.service import retention_message
from lockgate.controller.ledger import Ledger
from lockgate.controller.ledger.local import (
    ApiLogin,
    faults,
    reading,
    reads_store,
)
from lockgate.controller.options import AsJson, Config, Dir
from lockgate.controller.output import fail, show
from lockgate.controller.retention import trust
from lockgate.controller.retention.changes import write
from lockgate.controller.retention.holds import Subject
from lockgate.controller.retention.settings import Kept
from lockgate.v1 import ledger_pb2 as pb
from lockgate.v1 import ledger_pb2_grpc, person_pb2, person_pb2_grpc

app = typer.Typer(pretty_exceptions_enable=False)


@app.command()
def retention(
    state: Dir = None,
    config_file: Config = None,
    login: ApiLogin = None,
    *,
    as_json: AsJson = False,
) -> None:
    """How long what is kept, and what legal holds keep longer."""
    with faults():
        if login is None or reads_store(login, state, config_file):
            settings = config.load(config_file, {"state_dir": state})
            with reading(settings) as connection:
                answer = retention_message(connection, settings)
        else:
            with session(login, "ledger retention") as channel:
                stub = ledger_pb2_grpc.LedgerServiceStub(channel)
                answer = stub.GetRetention(pb.GetRetentionRequest(), timeout=TIMEOUT)
    kept = [{"kept": each.kept_class, "days": each.days} for each in answer.periods]
    held = [
        {"held": each.subject, "value": each.value, "since": each.place_time.ToJsonString()}
        for each in answer.holds
    ]
    if as_json:
        show([*kept, *held], (), as_json=True)
        return
    show(kept, ("kept", "days"), as_json=False)
    if held:
        show(held, ("held", "value", "since"), as_json=False)


@app.command()
def keep(
    class_: Annotated[str, typer.Argument(metavar="CLASS", help=f"One of: {', '.join(Kept)}.")],
    days: Annotated[int, typer.Argument(min=1, help="From the decision on.")],
    reason: Reason,
    folder: Login,
) -> None:
    """Propose for how many days a class of transfers is kept."""
    with session(folder, "ledger keep") as channel:
        _propose(channel, "retention", {"class": class_, "days": days}, reason)


@app.command()
def hold(
    subject: Annotated[str, typer.Argument(help=f"One of: {', '.join(Subject)}.")],
    value: Annotated[str, typer.Argument(help="Its name, fingerprint or id.")],
    reason: Reason,
    folder: Login,
    *,
    release: Annotated[bool, typer.Option("--release", help="End the hold.")] = False,
) -> None:
    """Propose a legal hold, or its end: what it touches does not expire."""
    with session(folder, "ledger hold") as channel:
        said = {"subject": subject, "value": value, "release": release}
        _propose(channel, "legal-hold", said, reason)


@app.command()
def erase(
    reason: Reason,
    folder: Login,
    transfer: Annotated[str, typer.Option(help="Erase path and opener of this transfer.")] = "",
    person: Annotated[str, typer.Option(help="Erase the name of this person (name or id).")] = "",
    key: Annotated[
        str, typer.Option(help="Erase owner, instructions and reasons of this key (fingerprint).")
    ] = "",
) -> None:
    """Propose to erase personal fields; the ledger and its proofs stay."""
    given = {"transfer": transfer, "person": person, "key": key}
    said = {name: value for name, value in given.items() if value}
    if len(said) != 1:
        fail("ledger erase", "one of --transfer, --person and --key")
    with session(folder, "ledger erase") as channel:
        if person:
            said["person"] = _person_id(channel, person)
        _propose(channel, "erasure", said, reason)


@app.command("accept-clock")
def accept_clock(
    reason: Annotated[str, typer.Option(help="How you know, for the ledger.")],
    state: Dir = None,
    config_file: Config = None,
) -> None:
    """Say that the clock is right after it ran ahead: expiry goes on."""
    with faults():
        settings = config.load(config_file, {"state_dir": state})
        now = clock.now()
        index = setup.write(settings, lambda c: trust.accept(c, Ledger(), reason, now))
    typer.echo(f"the time {clock.rfc3339(now)} is believed; ledger entry {index}")


def _person_id(channel: grpc.Channel, person: str) -> str:
    """The id of a name: a proposal is kept, and must not hold what it erases."""
    stub = person_pb2_grpc.PersonServiceStub(channel)
    everybody = stub.ListPeople(person_pb2.ListPeopleRequest(), timeout=TIMEOUT).people
    return next((each.person_id for each in everybody if each.name == person), person)


def _propose(channel: grpc.Channel, kind: str, said: dict[str, Any], reason: str) -> None:
    shown = proposed(channel, kind, write(said), reason)
    typer.echo(f"{shown['id']} {shown['state']}: {shown['summary']}")

"""``lockgate incidents``: leaked keys, and what people do about them.

Rules enforced here: rulings and revocations are proposed; a second person makes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from lockgate.controller import clock
from lockgate.controller.api import TIMEOUT_S, Login, session
from lockgate.controller.changes.proposing import Reason, propose
from lockgate.controller.hooks import change as revoke
from lockgate.controller.incidents import rows
from lockgate.controller.incidents.messages import STATES
from lockgate.controller.incidents.state import IncidentState
from lockgate.controller.options import AsJson
from lockgate.controller.output import fail, show
from lockgate.controller.triage import change as triage_change
from lockgate.controller.triage.change import Proposal
from lockgate.controller.triage.rulings import TriageAs
from lockgate.v1 import incident_pb2 as pb
from lockgate.v1 import incident_pb2_grpc
from lockgate.wire.ids import uuid7

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Leaked keys, and what is done about them.",
)

_COMMAND = "incidents"
_COLUMNS = ("id", "state", "class", "protected_name", "algorithm", "hosts", "last_seen")
_RULING_COLUMNS = ("fingerprint", "as", "until", "proposed_by", "approved_by", "ended_by")
_SPAN = re.compile(r"(\d{1,4})([dh])")

Which = Annotated[str, typer.Argument(help="The incident's id, or the fingerprint of its key.")]
Key = Annotated[str, typer.Argument(help="The fingerprint of the key.")]


@app.command("list")
def list_(
    folder: Login,
    *,
    state: Annotated[IncidentState | None, typer.Option(help="Only those in this state.")] = None,
    as_json: AsJson = False,
) -> None:
    """The incidents, the newest first."""
    request = pb.ListIncidentsRequest(state=STATES.number(state) if state else None)
    with session(folder, _COMMAND) as channel:
        stub = incident_pb2_grpc.IncidentServiceStub(channel)
        answer = stub.ListIncidents(request, timeout=TIMEOUT_S)
    show([rows.incident(one) for one in answer.incidents], _COLUMNS, as_json=as_json)


@app.command("show")
def show_(incident: Which, folder: Login, *, as_json: AsJson = False) -> None:
    """One incident: its key, where it was seen, who read it, rulings and response."""
    answer = _get(folder, incident)
    key = answer.key if answer.HasField("key") else None
    said = {
        **rows.incident(answer.incident),
        "signs": key.signs if key else None,
        "zones": list(key.zones) if key else [],
        "made": (key.made_on or None) if key else None,
        "on_leak": key.on_leak if key else None,
        "seen_in": [rows.sighting(one) for one in answer.sightings],
        "runs": [rows.run(one) for one in answer.runs],
        "rulings": [rows.ruling(one) for one in answer.rulings],
    }
    if as_json:
        show([said], (), as_json=True)
        return
    for name, value in said.items():
        _print(name, value)


@app.command()
def acknowledge(
    incident: Which,
    folder: Login,
    *,
    reason: Annotated[str, typer.Option(help="A note for the others.")] = "",
    as_json: AsJson = False,
) -> None:
    """Take an incident on."""
    request = pb.AcknowledgeIncidentRequest(request_id=uuid7(), incident=incident, reason=reason)
    with session(folder, _COMMAND) as channel:
        stub = incident_pb2_grpc.IncidentServiceStub(channel)
        answer = stub.AcknowledgeIncident(request, timeout=TIMEOUT_S)
    show([rows.incident(answer.incident)], _COLUMNS, as_json=as_json)


@app.command()
def close(
    incident: Which,
    folder: Login,
    reason: Annotated[str, typer.Option(help="What was done.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Say that an incident is done; it opens again when the key is seen again."""
    request = pb.CloseIncidentRequest(request_id=uuid7(), incident=incident, reason=reason)
    with session(folder, _COMMAND) as channel:
        stub = incident_pb2_grpc.IncidentServiceStub(channel)
        answer = stub.CloseIncident(request, timeout=TIMEOUT_S)
    show([rows.incident(answer.incident)], _COLUMNS, as_json=as_json)


@app.command("confirm-revoke")
def confirm_revoke(
    incident: Which, folder: Login, reason: Reason, *, as_json: AsJson = False
) -> None:
    """Propose that the hooks which revoke the key of an incident run."""
    content = revoke.write(_get(folder, incident).incident.fingerprint)
    propose(folder, _COMMAND, "revoke", [content], reason, as_json=as_json)


@app.command()
def triage(
    fingerprint: Key,
    folder: Login,
    triage_as: Annotated[TriageAs, typer.Option("--as", help="What the key is.")],
    reason: Reason,
    until: Annotated[str, typer.Option(help="2027-01-31, a time as RFC 3339, 30d or 12h.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Propose that a key counts as a test key until a time; never a protected one."""
    end = _moment(until)
    content = triage_change.write(Proposal(fingerprint, triage_as, reason, end))
    propose(folder, _COMMAND, "triage", [content], reason, as_json=as_json)


@app.command()
def rulings(
    folder: Login,
    fingerprint: Annotated[str, typer.Option(help="Only those on this key.")] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """The rulings on keys, those that have ended too."""
    with session(folder, _COMMAND) as channel:
        stub = incident_pb2_grpc.IncidentServiceStub(channel)
        request = pb.ListRulingsRequest(fingerprint=fingerprint)
        answer = stub.ListRulings(request, timeout=TIMEOUT_S)
    show([rows.ruling(one) for one in answer.rulings], _RULING_COLUMNS, as_json=as_json)


@app.command()
def withdraw(fingerprint: Key, folder: Login, *, as_json: AsJson = False) -> None:
    """End the ruling on a key now."""
    with session(folder, _COMMAND) as channel:
        stub = incident_pb2_grpc.IncidentServiceStub(channel)
        request = pb.WithdrawRulingRequest(request_id=uuid7(), fingerprint=fingerprint)
        answer = stub.WithdrawRuling(request, timeout=TIMEOUT_S)
    show([rows.ruling(answer.ruling)], _RULING_COLUMNS, as_json=as_json)


def _get(folder: Path, incident: str) -> pb.GetIncidentResponse:
    with session(folder, _COMMAND) as channel:
        stub = incident_pb2_grpc.IncidentServiceStub(channel)
        return stub.GetIncident(pb.GetIncidentRequest(incident=incident), timeout=TIMEOUT_S)


def _moment(text: str) -> datetime:
    """The time that an option means; a day begins at midnight UTC."""
    if span := _SPAN.fullmatch(text):
        unit = timedelta(days=1) if span[2] == "d" else timedelta(hours=1)
        return clock.now() + int(span[1]) * unit
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        fail(_COMMAND, f"--until: {text!r} is no day, time, or span such as 30d")


def _print(name: str, value: Any) -> None:
    """One field for people; a list of mappings line by line."""
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        typer.echo(f"{name}: {'' if shown is None else shown}")
        return
    typer.echo(f"{name}:")
    for one in value:
        typer.echo("  " + "; ".join(_pairs(one.items())))


def _pairs(items: Iterable[tuple[str, Any]]) -> list[str]:
    return [f"{name} {value}" for name, value in items if value not in (None, [], False)]

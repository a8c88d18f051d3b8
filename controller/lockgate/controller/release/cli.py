"""``lockgate review``: ask for releases, and decide on them.

Rules enforced here: what is shown is what the service shows, never bytes or a path; a verb that
changes something prints the release and its new state.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from lockgate.controller.api import TIMEOUT_S as TIMEOUT
from lockgate.controller.api import Login, session
from lockgate.controller.options import AsJson
from lockgate.controller.output import show
from lockgate.v1 import report_pb2, review_pb2_grpc, transfer_pb2
from lockgate.v1 import review_pb2 as pb
from lockgate.wire.ids import uuid7

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Releases that people ask for and decide on, and what waits for somebody.",
)
_COLUMNS = ("kind", "id", "state", "owner", "deadline", "host", "zone", "classes", "rule")
Id = Annotated[str, typer.Argument(help="The release's id, as `list` shows it.")]
Reason = Annotated[str, typer.Option(help="Why; the others read it.")]


@app.command()
def request(
    transfer_id: Annotated[str, typer.Argument(help="The transfer that was stopped.")],
    folder: Login,
    reason: Reason,
    *,
    as_json: AsJson = False,
) -> None:
    """Ask for a stopped file to be let through once."""
    with _service(folder) as service:
        asked = pb.RequestReleaseRequest(request_id=uuid7(), transfer_id=transfer_id, reason=reason)
        _print(service.RequestRelease(asked, timeout=TIMEOUT).release, as_json=as_json)


@app.command("list")
def list_(
    folder: Login,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    as_json: AsJson = False,
) -> None:
    """What waits for somebody: for whom, and until when."""
    with _service(folder) as service:
        answer = service.ListReleases(pb.ListReleasesRequest(all=everything), timeout=TIMEOUT)
    rows = [*map(release_row, answer.releases), *map(hold_row, answer.holds)]
    show(rows, _COLUMNS, as_json=as_json)


@app.command("show")
def show_(release_id: Id, folder: Login, *, as_json: AsJson = False) -> None:
    """One release: what was found in the file and where, and who has voted."""
    with _service(folder) as service:
        asked = pb.GetReleaseRequest(release_id=release_id)
        shown = service.GetRelease(asked, timeout=TIMEOUT).release
    row = {**release_row(shown), "findings": [_finding(f) for f in shown.findings]}
    if as_json:
        show([row], (), as_json=True)
        return
    for name, value in row.items():
        if name != "findings":
            typer.echo(f"{name}: {_text(value)}")
    for finding in row["findings"]:
        typer.echo(f"finding: {_text(finding)}")


@app.command()
def vote(
    release_id: Id,
    folder: Login,
    *,
    approve: Annotated[bool, typer.Option("--approve/--decline", help="What you say.")],
    reason: Annotated[str, typer.Option(help="Why; shown when all have voted.")] = "",
    as_json: AsJson = False,
) -> None:
    """Vote on a release, once; shown to the others when all have voted."""
    choice = pb.VOTE_CHOICE_APPROVE if approve else pb.VOTE_CHOICE_DECLINE
    with _service(folder) as service:
        asked = pb.VoteRequest(
            request_id=uuid7(), release_id=release_id, choice=choice, reason=reason
        )
        _print(service.Vote(asked, timeout=TIMEOUT).release, as_json=as_json)


@app.command()
def withdraw(release_id: Id, folder: Login, *, as_json: AsJson = False) -> None:
    """Take back a release that you asked for."""
    with _service(folder) as service:
        asked = pb.WithdrawRequest(request_id=uuid7(), release_id=release_id)
        _print(service.Withdraw(asked, timeout=TIMEOUT).release, as_json=as_json)


@app.command("break-glass")
def break_glass(release_id: Id, folder: Login, reason: Reason, *, as_json: AsJson = False) -> None:
    """Ask for a release past the review: takes a second person, and is always alerted."""
    with _service(folder) as service:
        asked = pb.BreakGlassRequest(request_id=uuid7(), release_id=release_id, reason=reason)
        _print(service.BreakGlass(asked, timeout=TIMEOUT).release, as_json=as_json)


@contextmanager
def _service(folder: Any) -> Iterator[review_pb2_grpc.ReviewServiceStub]:
    with session(folder, "review") as channel:
        yield review_pb2_grpc.ReviewServiceStub(channel)


def _print(release: pb.Release, *, as_json: bool) -> None:
    if as_json:
        show([release_row(release)], (), as_json=True)
        return
    row = release_row(release)
    waits = f"; waits for {row['owner']} until {row['deadline']}" if row["owner"] else ""
    typer.echo(f"{row['id']} {row['state']}{waits}")


def release_row(release: pb.Release) -> dict[str, Any]:
    """A release as commands show it."""
    return {
        "kind": "release",
        "id": release.release_id,
        "state": _word(pb.ReleaseState, release.state),
        "owner": release.owner,
        "deadline": _time(release, "deadline"),
        "valid_until": _time(release, "valid_until"),
        "transfer_id": release.transfer_id,
        "host": release.host,
        "zone": release.zone.name,
        "boundary": _word(transfer_pb2.Boundary, release.boundary),
        "verdict": _word(transfer_pb2.Verdict, release.verdict).upper(),
        "rule": release.rule,
        "sha256": release.sha256,
        "report_digest": release.report_digest,
        "rule_pack": release.rule_pack,
        "size": release.size,
        "classes": [_word(report_pb2.FindingClass, number) for number in release.classes],
        "requested_by": release.requested_by,
        "reason": release.reason,
        "requested": _time(release, "request_time"),
        "changed": _time(release, "change_time"),
        "reviewers": list(release.reviewers),
        "voted": list(release.voted),
        "votes": [
            {"person": v.person, "choice": _word(pb.VoteChoice, v.choice), "reason": v.reason}
            for v in release.votes
        ],
        "breakers": list(release.breakers),
    }


def hold_row(hold: pb.Hold) -> dict[str, Any]:
    """A hold as commands show it: with the columns of a release, by its transfer's id."""
    return {
        "kind": "hold",
        "id": hold.transfer_id,
        "state": "waiting",
        "owner": hold.owner,
        "deadline": _time(hold, "deadline"),
        "began": _time(hold, "begin_time"),
        "escalations": hold.escalations,
        "transfer_id": hold.transfer_id,
        "host": hold.host,
        "zone": hold.zone,
        "verdict": _word(transfer_pb2.Verdict, hold.verdict).upper(),
        "rule": hold.rule,
        "classes": [],
    }


def _finding(finding: report_pb2.Finding) -> dict[str, Any]:
    return {
        "class": _word(report_pb2.FindingClass, finding.finding_class),
        "kind": _word(report_pb2.FindingKind, finding.kind),
        "algorithm": finding.algorithm,
        "bits": finding.bits,
        "fingerprint": finding.fingerprint,
        "places": [
            {
                "format": place.format,
                "offset": place.offset,
                "length": place.length,
                "member": place.member or None,
            }
            for place in finding.occurrences
        ],
    }


def _word(enum: Any, number: int) -> str:
    """The word of an enum's number: without its prefix, as the tables spell it."""
    name = str(enum.Name(number)) if number in enum.values() else "unknown"
    prefix = str(enum.Name(0)).removesuffix("UNSPECIFIED")
    return name.removeprefix(prefix).lower().replace("_", "-")


def _time(message: Any, field: str) -> str | None:
    return str(getattr(message, field).ToJsonString()) if message.HasField(field) else None


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_text(each)}" for name, each in value.items())
    if isinstance(value, list):
        return "; ".join(_text(each) for each in value)
    return "" if value is None else str(value)

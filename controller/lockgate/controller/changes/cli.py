"""``lockgate change``: look at changes, approve and reject them.

Rules enforced here: what is approved is what was shown; `approve` sends the SHA-256 of the content
that `show` printed, so that nobody approves something else under the same number.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lockgate.controller.api import TIMEOUT_S as TIMEOUT
from lockgate.controller.api import Login, session
from lockgate.controller.options import AsJson
from lockgate.controller.output import show
from lockgate.scan.names import escape_name
from lockgate.v1 import change_pb2 as pb
from lockgate.v1 import change_pb2_grpc
from lockgate.wire.ids import uuid7

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Changes that need a second person.",
)
_COLUMNS = ("id", "kind", "state", "summary", "proposed_by", "decided_by", "expires")
Id = Annotated[str, typer.Argument(help="The change's id, as `list` shows it.")]


@app.command("list")
def list_(
    folder: Login,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also those decided on.")] = False,
    as_json: AsJson = False,
) -> None:
    """Changes that wait, the newest first."""
    with session(folder, "change") as channel:
        request = pb.ListChangesRequest(all=everything)
        answer = change_pb2_grpc.ChangeServiceStub(channel).ListChanges(request, timeout=TIMEOUT)
        show([row(change) for change in answer.changes], _COLUMNS, as_json=as_json)


@app.command("show")
def show_(change_id: Id, folder: Login, *, as_json: AsJson = False) -> None:
    """One change with its content."""
    with session(folder, "change") as channel:
        request = pb.GetChangeRequest(change_id=change_id)
        answer = change_pb2_grpc.ChangeServiceStub(channel).GetChange(request, timeout=TIMEOUT)
    said = row(answer.change)
    if as_json:
        content = answer.content.decode("utf-8", "backslashreplace")
        show([{**said, "content": content}], (), as_json=True)
        return
    for name, value in said.items():
        typer.echo(f"{name}: {escape_name(str(value or ''))}")
    typer.echo("")
    for line in answer.content.split(b"\n"):
        typer.echo(escape_name(line))


@app.command()
def approve(
    change_id: Id,
    folder: Login,
    sha256: Annotated[
        str, typer.Option(help="SHA-256 of the content you looked at, as `show` prints it.")
    ],
) -> None:
    """Make a change that somebody else has proposed."""
    with session(folder, "change") as channel:
        request = pb.ApproveChangeRequest(
            request_id=uuid7(), change_id=change_id, content_sha256=sha256
        )
        answer = change_pb2_grpc.ChangeServiceStub(channel).ApproveChange(request, timeout=TIMEOUT)
        typer.echo(f"{answer.change.change_id} {row(answer.change)['state']}")


@app.command()
def reject(change_id: Id, folder: Login, reason: Annotated[str, typer.Option(help="Why.")]) -> None:
    """End a change without making it."""
    with session(folder, "change") as channel:
        request = pb.RejectChangeRequest(request_id=uuid7(), change_id=change_id, reason=reason)
        answer = change_pb2_grpc.ChangeServiceStub(channel).RejectChange(request, timeout=TIMEOUT)
        typer.echo(f"{answer.change.change_id} {row(answer.change)['state']}")


def row(change: pb.Change) -> dict[str, Any]:
    """A change as commands show it."""
    return {
        "id": change.change_id,
        "kind": change.kind,
        "state": pb.ChangeState.Name(change.state).removeprefix("CHANGE_STATE_").lower(),
        "summary": change.summary,
        "reason": change.reason,
        "proposed_by": change.proposed_by,
        "proposed": change.propose_time.ToJsonString(),
        "expires": change.expire_time.ToJsonString(),
        "decided_by": change.decided_by or None,
        "decided": change.decide_time.ToJsonString() if change.HasField("decide_time") else None,
        "decision_reason": change.decision_reason or None,
        "content_sha256": change.content_sha256,
    }

"""``lockgate policy apply|list|show|replay|promote|rollback``: policies of a controller.

Rules enforced here: a policy is checked here before it is sent, so that its faults are told with
their places; what the controller says of it is told as it says it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from lockgate.controller.api import TIMEOUT_S as TIMEOUT
from lockgate.controller.api import Login, session
from lockgate.controller.changes.proposing import Reason, proposed
from lockgate.controller.options import AsJson
from lockgate.controller.output import fail, show
from lockgate.controller.policies import messages
from lockgate.controller.policies.content import policy_of, write
from lockgate.policy import PolicyError
from lockgate.policy.cli import Files, read_files
from lockgate.policy.document import span_of
from lockgate.v1 import policy_pb2, policy_pb2_grpc
from lockgate.wire.convert.values import timestamp
from lockgate.wire.ids import uuid7

_COMMAND = "policy"
#: A replay of the most transfers takes minutes.
_REPLAY_TIMEOUT = 600.0
_WRONG = 1

_COLUMNS = ("version", "state", "rings", "source", "digest", "changed", "reason")
_CHANGE_COLUMNS = ("count", "classes", "host", "zone", "old", "new", "examples")

Version = Annotated[int, typer.Argument(min=1, help="Number of the version.")]


def _verb(function: Any) -> typer.Typer:
    """A command of one verb, for an entry point of the group ``lockgate.policy.commands``."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(function)
    return app


def apply(files: Files, folder: Login, reason: Reason) -> None:
    """Propose that this policy decides; a second person approves it (`lockgate change`)."""
    content = _content(files)
    with session(folder, _COMMAND) as channel:
        change = proposed(channel, "policy", content, reason)
        typer.echo(f"{change['id']} {change['state']}: {change['summary']}")


def list_versions(folder: Login, *, as_json: AsJson = False) -> None:
    """Every version of the policy, the newest first."""
    with session(folder, _COMMAND) as channel:
        stub = policy_pb2_grpc.PolicyServiceStub(channel)
        answer = stub.ListPolicies(policy_pb2.ListPoliciesRequest(), timeout=TIMEOUT)
        show([_row(version) for version in answer.versions], _COLUMNS, as_json=as_json)


def show_version(
    folder: Login,
    version: Annotated[
        int | None, typer.Argument(min=1, help="Number of a version; without it the newest.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """The documents of a version; what is printed can be applied again."""
    with session(folder, _COMMAND) as channel:
        stub = policy_pb2_grpc.PolicyServiceStub(channel)
        answer = stub.GetPolicy(policy_pb2.GetPolicyRequest(version=version or 0), timeout=TIMEOUT)
        documents = {document.name: document.text for document in answer.documents}
        if as_json:
            show([{**_row(answer.version), "documents": documents}], (), as_json=True)
            return
        for name, text in documents.items():
            typer.echo(f"# version {answer.version.version}, {name}\n---\n{text}")


def replay(
    files: Files,
    folder: Login,
    since: Annotated[str, typer.Option(help="How far back, such as 12h or 7d.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most transfers.")] = 10_000,
    *,
    as_json: AsJson = False,
) -> None:
    """Decide past transfers again by this policy, and tell what would change."""
    content = _content(files)
    request = policy_pb2.ReplayPolicyRequest(limit=limit)
    for source in read_files(files):
        request.documents.add(name=Path(source.name).name, text=source.text)
    if since:
        request.since.CopyFrom(timestamp(_ago(since)))
    with session(folder, _COMMAND) as channel:
        stub = policy_pb2_grpc.PolicyServiceStub(channel)
        answer = stub.ReplayPolicy(request, timeout=_REPLAY_TIMEOUT)
        rows = [_change_row(change) for change in answer.changes]
        totals = {
            "digest": policy_of(content).digest,
            "transfers": answer.transfers,
            "changed": answer.changed,
            "unreadable": answer.unreadable,
        }
        if as_json:
            show([{**totals, "changes": rows}], (), as_json=True)
            return
        show(rows, _CHANGE_COLUMNS, as_json=False)
        lost = f", {answer.unreadable} without their report" if answer.unreadable else ""
        typer.echo(f"{answer.changed} of {answer.transfers} transfers would change{lost}")


def promote(version: Version, folder: Login, *, as_json: AsJson = False) -> None:
    """Let a version reach the next ring of hosts."""
    with session(folder, _COMMAND) as channel:
        request = policy_pb2.PromotePolicyRequest(request_id=uuid7(), version=version)
        stub = policy_pb2_grpc.PolicyServiceStub(channel)
        made = stub.PromotePolicy(request, timeout=TIMEOUT).version
        show([_row(made)], _COLUMNS, as_json=as_json)


def roll_back(version: Version, folder: Login, reason: Reason, *, as_json: AsJson = False) -> None:
    """Take a version that is rolling back from every ring."""
    with session(folder, _COMMAND) as channel:
        request = policy_pb2.RollBackPolicyRequest(
            request_id=uuid7(), version=version, reason=reason
        )
        stub = policy_pb2_grpc.PolicyServiceStub(channel)
        made = stub.RollBackPolicy(request, timeout=TIMEOUT).version
        show([_row(made)], _COLUMNS, as_json=as_json)


apply_app = _verb(apply)
list_app = _verb(list_versions)
show_app = _verb(show_version)
replay_app = _verb(replay)
promote_app = _verb(promote)
rollback_app = _verb(roll_back)


def _content(files: list[Path]) -> bytes:
    """The content of a policy that is right; ends the command with its faults if it is not."""
    sources = read_files(files)
    content = write(sources)
    try:
        policy_of(content)
    except PolicyError as error:
        for fault in error.faults:
            typer.echo(str(fault), err=True)
        raise typer.Exit(_WRONG) from None
    return content


def _ago(text: str) -> datetime:
    """The time so long ago, or the earliest that there is."""
    span = span_of(text)
    if span is None:
        fail(_COMMAND, f'--since {text!r}: expected a time span such as "12h" or "7d"')
    now = datetime.now(UTC)
    earliest = datetime(1970, 1, 1, tzinfo=UTC)
    return now - span if span < now - earliest else earliest


def _row(version: policy_pb2.PolicyVersion) -> dict[str, Any]:
    state, source = messages.STATES.word(version.state), messages.SOURCES.word(version.source)
    return {
        "version": version.version,
        "state": state and state.value,
        "rings": list(version.rings),
        "source": source and source.value,
        "digest": version.digest,
        "created": version.create_time.ToJsonString(),
        "changed": version.change_time.ToJsonString(),
        "change_id": version.change_id or None,
        "reason": version.reason or None,
    }


def _change_row(change: policy_pb2.ReplayChange) -> dict[str, Any]:
    old = (change.old_verdict, change.old_hold_reason, change.old_rule)
    new = (change.new_verdict, change.new_hold_reason, change.new_rule)
    return {
        "count": change.count,
        "classes": list(change.classes),
        "host": change.host,
        "zone": change.zone,
        "old": _said(*old),
        "new": _said(*new),
        "examples": list(change.transfer_ids),
    }


def _said(verdict: Any, hold_reason: Any, rule: str) -> str:
    word, reason = messages.VERDICTS.word(verdict), messages.HOLD_REASONS.word(hold_reason)
    why = f" ({reason.value})" if reason else ""
    return f"{word.value if word else 'HOLD'}{why}" + (f" by {rule}" if rule else "")

"""``lockgate host``: the hosts of an installation.

Rules enforced here: what turns a host away or tells it something says why, for the ledger; a
restore is proposed, and a second person makes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf.json_format import MessageToDict

from lockgate.controller.api import TIMEOUT_S, Login, session
from lockgate.controller.changes.proposing import Reason, propose
from lockgate.controller.hosts import restoring
from lockgate.controller.options import AsJson
from lockgate.controller.output import show
from lockgate.v1 import agent_pb2, host_pb2, host_pb2_grpc
from lockgate.wire.ids import uuid7

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Hosts: how they are, who is turned away, what they are told.",
)

_COMMAND = "host"
_COLUMNS = ("name", "state", "reasons", "heard", "silent_since", "certificate_until", "turned_away")
_COMMAND_COLUMNS = ("command_id", "host", "action", "sent", "expires", "delivered", "outcome")
Name = Annotated[str, typer.Argument(help="The host's name.")]
Why = Annotated[str, typer.Option("--reason", help="Why, for the ledger.")]


@app.command("list")
def list_(folder: Login, *, as_json: AsJson = False) -> None:
    """Every enrolled host with what its agent told last."""
    with session(folder, _COMMAND) as channel:
        hosts = list(_pages(host_pb2_grpc.HostServiceStub(channel)))
    rows = [_fields(one) if as_json else _row(one) for one in hosts]
    show(rows, _COLUMNS, as_json=as_json)


@app.command()
def evict(host: Name, reason: Why, folder: Login) -> None:
    """Revoke a host's certificates; a new join token for it brings it back."""
    with session(folder, _COMMAND) as channel:
        request = host_pb2.EvictHostRequest(request_id=uuid7(), host=host, reason=reason)
        answer = host_pb2_grpc.HostServiceStub(channel).EvictHost(request, timeout=TIMEOUT_S)
    typer.echo(f"evicted {host}; certificates revoked: {answer.revoked_certificates}")


@app.command()
def ban(host: Name, reason: Why, folder: Login) -> None:
    """Refuse a host, whatever it shows, until it is unbanned."""
    with session(folder, _COMMAND) as channel:
        request = host_pb2.BanHostRequest(request_id=uuid7(), host=host, reason=reason)
        host_pb2_grpc.HostServiceStub(channel).BanHost(request, timeout=TIMEOUT_S)


@app.command()
def unban(host: Name, reason: Why, folder: Login) -> None:
    """End a ban."""
    with session(folder, _COMMAND) as channel:
        request = host_pb2.UnbanHostRequest(request_id=uuid7(), host=host, reason=reason)
        host_pb2_grpc.HostServiceStub(channel).UnbanHost(request, timeout=TIMEOUT_S)


@app.command()
def rescan(
    host: Name, zone: Annotated[str, typer.Option(help="The zone's name.")], folder: Login
) -> None:
    """Have every file of a zone scanned anew."""
    _send(folder, host_pb2.SendCommandRequest(request_id=uuid7(), host=host, rescan_zone=zone))


@app.command("forget-decisions")
def forget_decisions(host: Name, folder: Login) -> None:
    """Have a host ask about every file again."""
    request = host_pb2.SendCommandRequest(
        request_id=uuid7(), host=host, forget_decisions=agent_pb2.ForgetDecisionsCommand()
    )
    _send(folder, request)


@app.command()
def quarantine(
    host: Name,
    transfer: Annotated[str, typer.Argument(help="The transfer's id.")],
    folder: Login,
) -> None:
    """Have the file of a transfer moved into quarantine, if it still is the same."""
    request = host_pb2.SendCommandRequest(
        request_id=uuid7(), host=host, quarantine_transfer_id=transfer
    )
    _send(folder, request)


@app.command()
def restore(
    host: Name,
    quarantine_id: Annotated[str, typer.Argument(help="The file's id in quarantine.")],
    zone: Annotated[str, typer.Option(help="The zone that it came from.")],
    reason: Reason,
    folder: Login,
    *,
    as_json: AsJson = False,
) -> None:
    """Propose that a quarantined file is put back; it is judged again when it is opened."""
    content = restoring.write(restoring.Wanted(host, quarantine_id, zone))
    kind = restoring.RestoreChange.name
    propose(folder, _COMMAND, kind, [content], reason, as_json=as_json)


@app.command()
def commands(
    folder: Login,
    *,
    host: Annotated[str, typer.Option(help="Only those of this host.")] = "",
    as_json: AsJson = False,
) -> None:
    """The newest commands to agents, with what became of them."""
    with session(folder, _COMMAND) as channel:
        request = host_pb2.ListCommandsRequest(host=host)
        answer = host_pb2_grpc.HostServiceStub(channel).ListCommands(request, timeout=TIMEOUT_S)
    rows = [_fields(one) if as_json else _command_row(one) for one in answer.commands]
    show(rows, _COMMAND_COLUMNS, as_json=as_json)


def _pages(stub: host_pb2_grpc.HostServiceStub) -> Iterator[host_pb2.Host]:
    after = ""
    while True:
        request = host_pb2.ListHostsRequest(after=after)
        page = stub.ListHosts(request, timeout=TIMEOUT_S).hosts
        if not page:
            return
        yield from page
        after = page[-1].name


def _send(folder: Path, request: host_pb2.SendCommandRequest) -> None:
    with session(folder, _COMMAND) as channel:
        answer = host_pb2_grpc.HostServiceStub(channel).SendCommand(request, timeout=TIMEOUT_S)
    typer.echo(f"sent {answer.command_id}; see `lockgate host commands`")


def _fields(message: Any) -> dict[str, Any]:
    """All that a message holds, for programs."""
    return dict(MessageToDict(message, preserving_proto_field_name=True))


def _row(one: host_pb2.Host) -> dict[str, Any]:
    health = one.presence.health
    state = agent_pb2.GuardState.Name(health.state) if one.presence.HasField("health") else None
    reasons = dict.fromkeys([*health.reasons, *(r for zone in health.zones for r in zone.reasons)])
    words = {"banned": one.HasField("ban_time"), "evicted": one.HasField("evict_time")}
    return {
        "name": one.name,
        "state": state and state.removeprefix("GUARD_STATE_").lower(),
        "reasons": list(reasons),
        "heard": _text(one.presence, "hear_time"),
        "silent_since": _text(one.presence, "silent_since"),
        "certificate_until": _text(one, "certificate_expire_time"),
        "turned_away": [word for word, holds in words.items() if holds],
    }


def _command_row(one: host_pb2.SentCommand) -> dict[str, Any]:
    outcome = agent_pb2.CommandOutcome.Name(one.outcome) if one.HasField("finish_time") else ""
    return {
        "command_id": one.command_id,
        "host": one.host,
        "action": one.action,
        "sent": _text(one, "send_time"),
        "expires": _text(one, "expire_time"),
        "delivered": _text(one, "deliver_time"),
        "outcome": outcome.removeprefix("COMMAND_OUTCOME_").lower(),
    }


def _text(message: Any, field: str) -> str | None:
    return getattr(message, field).ToJsonString() if message.HasField(field) else None

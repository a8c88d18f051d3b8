"""Proposing a change from a command, and saying what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import grpc
import typer

from lockgate.controller.api import TIMEOUT_S, session
from lockgate.controller.changes.cli import row
from lockgate.controller.output import show
from lockgate.scan.names import escape_name
from lockgate.v1 import change_pb2, change_pb2_grpc
from lockgate.wire.ids import uuid7

Reason = Annotated[str, typer.Option(help="Why, for whoever approves, and for the ledger.")]
_COLUMNS = ("id", "kind", "state", "summary")


def propose(
    folder: Path, command: str, kind: str, contents: Sequence[bytes], reason: str, *, as_json: bool
) -> None:
    """Propose each content as a change of its own, and print the changes."""
    with session(folder, command) as channel:
        made = [proposed(channel, kind, content, reason) for content in contents]
    show(made, _COLUMNS, as_json=as_json)


def proposed(channel: grpc.Channel, kind: str, content: bytes, reason: str) -> dict[str, Any]:
    """Propose one change; it as commands show it."""
    request = change_pb2.ProposeChangeRequest(
        request_id=uuid7(), kind=kind, content=content, reason=escape_name(reason)
    )
    stub = change_pb2_grpc.ChangeServiceStub(channel)
    return row(stub.ProposeChange(request, timeout=TIMEOUT_S).change)

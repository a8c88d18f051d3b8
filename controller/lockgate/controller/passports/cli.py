"""``lockgate controller passport``: revoke passports, fetch the list of what is revoked.

Rules enforced here: on the controller's own host, or with ``--login`` over the API; in both ways
the ledger says who.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from lockgate.controller import clock, config, setup
from lockgate.controller.api import TIMEOUT_S as TIMEOUT
from lockgate.controller.api import session
from lockgate.controller.ledger import Ledger
from lockgate.controller.ledger.local import faults, reading
from lockgate.controller.options import Config, Dir
from lockgate.controller.output import fail
from lockgate.controller.passports.revoking import newest_list, revoke
from lockgate.controller.passports.service import check, rule_of
from lockgate.controller.refusals import Refusal
from lockgate.v1 import passport_pb2 as pb
from lockgate.v1 import passport_pb2_grpc
from lockgate.wire.convert.values import timestamp
from lockgate.wire.ids import uuid7
from lockgate.wire.validate import violations

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Revoke passports.",
)
_NAME = "controller passport"
Login = Annotated[
    Path | None,
    typer.Option("--login", help="Use the API with the login in this folder.", show_default=False),
]


@app.command("revoke")
def revoke_(
    reason: Annotated[str, typer.Option(help="Why, for receivers and the ledger.")],
    transfer: Annotated[str, typer.Argument(help="Id of a transfer.")] = "",
    host: Annotated[str, typer.Option(help="All that this host asked for, from --since on.")] = "",
    zone: Annotated[str, typer.Option(help="Of the host; default: all of its zones.")] = "",
    since: Annotated[str, typer.Option(help="RFC 3339, or a date (UTC).")] = "",
    until: Annotated[str, typer.Option(help="Default: now.")] = "",
    state: Dir = None,
    config_file: Config = None,
    login: Login = None,
) -> None:
    """Revoke the passports of a transfer, or of a host since a time."""
    with faults():
        request = pb.RevokePassportsRequest(
            request_id=uuid7(), transfer_id=transfer, host=host, zone=zone, reason=reason
        )
        for name, text in (("since", since), ("until", until)):
            if text:
                getattr(request, name).CopyFrom(timestamp(_time(text)))
        if wrong := violations(request):
            fail(_NAME, wrong[0])
        if login is None:
            index = _revoke(config.load(config_file, {"state_dir": state}), request)
        else:
            with session(login, _NAME) as channel:
                stub = passport_pb2_grpc.PassportServiceStub(channel)
                index = stub.RevokePassports(request, timeout=TIMEOUT).ledger_index
    typer.echo(f"revoked; ledger entry {index}")


def _revoke(settings: config.ControllerSettings, request: pb.RevokePassportsRequest) -> int:
    now = clock.now()
    rule = rule_of(request, now)
    if isinstance(rule, Refusal):
        fail(_NAME, rule.text)
    refused, index = setup.write(
        settings,
        lambda c: (no, -1) if (no := check(c, rule)) else (None, revoke(c, Ledger(), rule, now)),
    )
    if refused is not None:
        fail(_NAME, refused.text)
    return index


@app.command("list")
def list_(
    out: Annotated[Path, typer.Option(help="File to write the signed list to.")],
    state: Dir = None,
    config_file: Config = None,
    login: Login = None,
) -> None:
    """Write the newest signed list of revocations, for receivers."""
    with faults():
        if login is None:
            with reading(config.load(config_file, {"state_dir": state})) as connection:
                envelope = newest_list(connection)
        else:
            with session(login, _NAME) as channel:
                stub = passport_pb2_grpc.PassportServiceStub(channel)
                request = pb.GetRevocationListRequest()
                envelope = stub.GetRevocationList(request, timeout=TIMEOUT).envelope
        if envelope is None:
            fail(_NAME, "no list has been signed yet; is the controller running?")
        fresh = out.with_name(f".{out.name}.new")
        fresh.write_bytes(envelope)
        fresh.replace(out)


def _time(text: str) -> datetime:
    """A time of the command line; without a zone it is UTC.

    Raises:
        ValueError: it is none.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text}: not a time; try 2026-11-21 or 2026-11-21T12:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

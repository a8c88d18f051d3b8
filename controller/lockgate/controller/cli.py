"""``lockgate controller``: set up, run, and read a controller.

Rules enforced here:

1. Read verbs open the store read-only and print a table for people or, with ``--json``, one
   object per line.
2. What an operator did wrong is one line on stderr and exit code 2, never a stack trace.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from lockgate.controller import config, process
from lockgate.controller.backup import cli as backup_cli
from lockgate.controller.config import ControllerSettings
from lockgate.controller.identity.faults import IdentityError
from lockgate.controller.options import AsJson, Config, Dir, Limit
from lockgate.controller.output import fail, show
from lockgate.controller.passports import cli as passports_cli
from lockgate.controller.people import local_cli as people_cli
from lockgate.controller.refusals import RefusedError
from lockgate.controller.registry import cli as registry_cli
from lockgate.controller.store import reading
from lockgate.controller.store.database import StoreError, open_reader, store_faults
from lockgate.policy import PolicyError
from lockgate.scan.registry import RegistryError
from lockgate.wire.settings import SettingsError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # it would print local variables, and some of ours are keys
    help="Set up, run and read a controller.",
)

app.command("backup")(backup_cli.backup)
app.command("restore")(backup_cli.restore)
app.add_typer(people_cli.app, name="person")
app.add_typer(registry_cli.app, name="registry")
app.add_typer(passports_cli.app, name="passport")

_FAULTS = (
    SettingsError,
    StoreError,
    IdentityError,
    PolicyError,
    RegistryError,
    RefusedError,
    OSError,
)

_ALERT_COLUMNS: tuple[str, ...] = ("id", "created_at", "uid", "ledger_index", "delivery")
_STATUS_COLUMNS: tuple[str, ...] = (
    "destination",
    "confirms",
    "delivered_up_to",
    "newest",
    "dead_letters",
    "failures",
    "error",
)


@app.command()
def init(
    state: Dir = None,
    config_file: Config = None,
    trust_domain: Annotated[str | None, typer.Option(help="Name of this installation.")] = None,
    listen: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    database: Annotated[str | None, typer.Option(help="URL of a PostgreSQL database.")] = None,
) -> None:
    """Make the authority, the keys and the store."""
    from lockgate.controller import setup

    with _faults():
        process.harden()
        flags = {
            "state_dir": state,
            "trust_domain": trust_domain,
            "listen": listen,
            "database": database,
        }
        settings = config.load(config_file, flags)
        made = setup.initialise(settings)
        if state is not None:
            setup.write_settings(settings)
        typer.echo(f"made {settings.state_dir}; CA sha256:{made.sha256}")


@app.command()
def run(
    config_file: Config = None,
    state: Dir = None,
    port: Annotated[int | None, typer.Option(help="mTLS port; 0 picks one.")] = None,
    enrol_port: Annotated[int | None, typer.Option(help="Enrolment port; 0 picks one.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Loopback port for metrics.")] = None,
    durability: Annotated[str, typer.Option(hidden=True)] = "FULL",
) -> None:
    """Serve agents until SIGTERM or SIGINT; prints READY and the addresses when serving."""
    from lockgate.controller import server

    with _faults():
        process.harden()
        process.log_to_stderr()
        flags: dict[str, object] = {
            "state_dir": state,
            "port": port,
            "enrol_port": enrol_port,
            "metrics_port": metrics_port,
        }
        settings = config.load(config_file, flags)
        asyncio.run(_serve(server.serve, settings, durability))


@app.command()
def token(
    state: Dir = None,
    config_file: Config = None,
    ttl: Annotated[int, typer.Option(min=1, help="Seconds until it expires.")] = 3600,
    host: Annotated[str | None, typer.Option(help="Admit only this host.")] = None,
) -> None:
    """Make a join token that works once."""
    from lockgate.controller import setup

    with _faults():
        process.harden()
        settings = config.load(config_file, {"state_dir": state})
        typer.echo(setup.make_token(settings, host, timedelta(seconds=ttl)).text())


@app.command()
def ban(
    host: str,
    reason: Annotated[str, typer.Option(help="Why, for the ledger.")],
    state: Dir = None,
    config_file: Config = None,
) -> None:
    """Refuse an agent until it is unbanned, also on connections it holds."""
    from lockgate.controller import setup

    with _faults():
        process.harden()
        settings = config.load(config_file, {"state_dir": state})
        setup.ban(settings, host, reason)


@app.command()
def unban(
    host: str,
    reason: Annotated[str, typer.Option(help="Why, for the ledger.")],
    state: Dir = None,
    config_file: Config = None,
) -> None:
    """Serve a banned agent again, with what it had before."""
    from lockgate.controller import setup

    with _faults():
        process.harden()
        settings = config.load(config_file, {"state_dir": state})
        setup.unban(settings, host, reason)


@app.command()
def evict(
    host: str,
    reason: Annotated[str, typer.Option(help="Why, for the ledger.")],
    state: Dir = None,
    config_file: Config = None,
) -> None:
    """Revoke an agent's certificates; a new token made for the host brings it back."""
    from lockgate.controller import setup

    with _faults():
        process.harden()
        settings = config.load(config_file, {"state_dir": state})
        revoked = setup.evict(settings, host, reason)
        typer.echo(f"evicted {host}; certificates revoked: {revoked}")


@app.command()
def transfers(
    *, state: Dir = None, config_file: Config = None, as_json: AsJson = False, limit: Limit = 100
) -> None:
    """What was decided, with findings and receipts."""
    rows = _read(state, config_file, lambda c: reading.transfers(c, limit))
    columns = ("decided_at", "host", "path", "verdict", "hold_reason", "rule", "ledger_index")
    show(rows, columns, as_json=as_json)


@app.command()
def incidents(
    *, state: Dir = None, config_file: Config = None, as_json: AsJson = False, limit: Limit = 100
) -> None:
    """Every key that was found, with hosts, files and transfers."""
    rows = _read(state, config_file, lambda c: reading.incidents_of(c, limit))
    columns = ("last_seen_at", "class", "algorithm", "protected_name", "fingerprint", "hosts")
    show(rows, columns, as_json=as_json)


@app.command()
def alerts(
    *,
    state: Dir = None,
    config_file: Config = None,
    as_json: AsJson = False,
    limit: Limit = 100,
    status: Annotated[bool, typer.Option("--status", help="Delivery by destination.")] = False,
    test: Annotated[bool, typer.Option("--test", help="Send a test event to all.")] = False,
) -> None:
    """What was told to the outside, and what became of it."""
    if test:
        _send_test_event(state, config_file)
    elif status:
        rows = _read(state, config_file, reading.deliveries)
        show(rows, _STATUS_COLUMNS, as_json=as_json)
    else:
        rows = _read(state, config_file, lambda c: reading.alerts_of(c, limit))
        show(rows, _ALERT_COLUMNS, as_json=as_json)


def _send_test_event(state: Path | None, config_file: Path | None) -> None:
    from lockgate.controller import setup

    with _faults():
        process.harden()
        uid = setup.send_test_event(config.load(config_file, {"state_dir": state}))
        typer.echo(f"{uid} waits for delivery; see `lockgate controller alerts --status`")


@app.command()
def agents(*, state: Dir = None, config_file: Config = None, as_json: AsJson = False) -> None:
    """The enrolled agents, and how well their zones are guarded."""
    rows = _read(state, config_file, reading.agents_of)
    if as_json:
        show(rows, (), as_json=True)
        return
    columns = ("host", "last_seen_at", "certificate_expires_at", "banned_at", "zones")
    lines = [{**row, "zones": _zones_as_text(row["zones"])} for row in rows]
    show(lines, columns, as_json=False)


def _zones_as_text(zones: Sequence[dict[str, Any]]) -> str:
    """One line for each zone: its state, since when, and why it is no better."""
    return "\n".join(
        f"{zone['zone']}: {zone['state']} since {zone['since']} ({zone['reasons']})"
        for zone in zones
    )


async def _serve(serve: Callable[..., Any], settings: ControllerSettings, durability: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def ready(line: str) -> None:
        print(f"READY {line}", flush=True)

    await serve(settings, ready, stop, durability=durability)


def _read(
    state: Path | None,
    config_file: Path | None,
    query: Callable[[Connection], list[dict[str, Any]]],
) -> list[dict[str, Any]]:
    with _faults():
        settings = config.load(config_file, {"state_dir": state})
        reader = open_reader(settings.store)
        with store_faults(), reader.connect() as connection:
            return query(connection)


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except _FAULTS as error:
        fail("controller", str(error))

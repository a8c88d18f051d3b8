"""``lockgate agent``: the commands of one host's agent.

Rules enforced here:

1. Every failure says what to do; exit codes: 0 done, 1 could not, 2 usage.
2. Whatever a program may want to read has ``--json``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from lockgate.agent.cli import intake, quarantine, zone
from lockgate.agent.cli.common import USAGE, Json, RunDir, StateDir, fail, failures
from lockgate.agent.cli.release import release
from lockgate.agent.cli.status import status
from lockgate.agent.cli.why import why
from lockgate.agent.config import DEFAULT_RUN, DEFAULT_STATE, AgentSettings, Guarding, Mode
from lockgate.scan.limits import Profile

app = typer.Typer(
    help="Guard a zone on this host.", no_args_is_help=True, pretty_exceptions_enable=False
)
app.add_typer(intake.app, name="intake")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(zone.app, name="zone")
app.command()(status)
app.command()(release)
app.command()(why)


@app.command()
def enrol(
    controller: Annotated[str, typer.Option(help="HOST:PORT of the enrolment port (7444).")],
    token: Annotated[str, typer.Option(help="The join token.", envvar="LOCKGATE_JOIN_TOKEN")],
    host: Annotated[str | None, typer.Option(help="Name of this host; else its own.")] = None,
    state_dir: StateDir = DEFAULT_STATE,
) -> None:
    """Get this host's certificate for a join token."""
    import socket

    from lockgate.agent.uplink import identity

    with failures():
        until = identity.enrol(state_dir, controller, token, host or socket.gethostname())
    typer.echo(f"enrolled; the certificate is valid until {until.isoformat()} and renews itself")


@app.command()
def run(
    config: Annotated[Path | None, typer.Option(help="Settings (TOML).")] = None,
    state_dir: Annotated[Path | None, typer.Option()] = None,
    run_dir: Annotated[Path | None, typer.Option()] = None,
) -> None:
    """Guard the zones of the settings, decided by the controller."""
    from lockgate.agent import config as settings_of

    with failures():
        settings = settings_of.load(config, {"state_dir": state_dir, "run_dir": run_dir})
        if not settings.zones:
            fail('no zone is set; add [[zones]] with path = "/srv/zone" to the settings', USAGE)
    _start(settings, local=False)


@app.command()
def guard(
    directories: Annotated[list[Path], typer.Argument(metavar="DIR...", help="The zones.")],
    policy: Annotated[list[Path] | None, typer.Option(help="Policy (YAML).")] = None,
    mode: Annotated[Mode, typer.Option(help="What is done about a zone.")] = Mode.ENFORCE,
    guarding: Annotated[
        Guarding, typer.Option(help="Ask about opens, or about every read too.")
    ] = Guarding.OPEN,
    registry: Annotated[list[Path] | None, typer.Option(help="Protected keys.")] = None,
    profile: Annotated[Profile, typer.Option(help="How much work a scan does.")] = Profile.STANDARD,
    signing: Annotated[bool, typer.Option(help="Keys are used to sign in these zones.")] = False,  # noqa: FBT002 - a flag
    deadline: Annotated[float, typer.Option(help="Seconds an open may wait.")] = 20.0,
    workers: Annotated[int, typer.Option(help="Scan workers.", min=1)] = 1,
    metrics: Annotated[str, typer.Option(help="ADDRESS:PORT on loopback; else none.")] = "",
    state_dir: StateDir = DEFAULT_STATE,
    run_dir: RunDir = DEFAULT_RUN,
) -> None:
    """Guard directories without a controller; prints READY when opens are being held."""
    from lockgate.agent.config import ScanSettings, ZoneSettings

    with failures():
        scan = ScanSettings(workers=workers, profile=profile, registry_files=tuple(registry or ()))
        settings = AgentSettings(
            zones=tuple(
                ZoneSettings(d.absolute(), signing=signing, mode=mode, guarding=guarding)
                for d in directories
            ),
            state_dir=state_dir.resolve(),
            run_dir=run_dir.resolve(),
            policy_files=tuple(policy or ()),
            open_deadline_seconds=deadline,
            metrics_listen=metrics,
            scan=scan,
        )
    _start(settings, local=True)


@app.command()
def disarm(
    state_dir: StateDir = DEFAULT_STATE,
    run_dir: RunDir = DEFAULT_RUN,
    as_json: Json = False,  # noqa: FBT002 - a flag
) -> None:
    """Take the guard off, also when the agent hangs. Recorded and alerted; needs root."""
    from dataclasses import asdict

    from lockgate.agent.guard import disarm as taking_off

    with failures():
        record = taking_off.disarm(run_dir, state_dir)
    if record.armed:
        _report_disarm(state_dir)
    if as_json:
        typer.echo(json.dumps(asdict(record), sort_keys=True))
    elif record.armed:
        typer.echo(f"the guard is off; {record.refused_opens} waiting opens were refused")
    else:
        typer.echo("no guard was on")


def _report_disarm(state_dir: Path) -> None:
    """Tell the controller now; the guard is off already, so a failure is only a delay."""
    from lockgate.agent.uplink.identity import CredentialsError
    from lockgate.agent.verdicts.records import report_disarm
    from lockgate.policy import PolicyError

    try:
        delivered = report_disarm(state_dir)
    except (CredentialsError, PolicyError, OSError):
        delivered = False
    if not delivered:
        sys.stderr.write("lockgate agent: the disarm is recorded here and reported later\n")


def _start(settings: AgentSettings, *, local: bool) -> None:
    if settings.zones[0].mode is Mode.ENFORCE and os.geteuid() != 0:
        fail(
            "holding opens needs root (CAP_SYS_ADMIN for fanotify permission events); "
            "run as root, or use `--mode monitor`, which reports and cannot block",
            USAGE,
        )
    from lockgate.agent import logs
    from lockgate.agent.run import run as run_agent

    logs.set_up()
    with failures():
        run_agent(settings, local=local)

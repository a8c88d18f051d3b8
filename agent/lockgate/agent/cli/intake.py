"""``lockgate agent intake``: core dumps that are taken in before they are files.

Rules enforced here: what is shown is what is known of a crash, never a byte of its dump; names
are shown escaped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lockgate.agent.cli.common import Json, fail, failures
from lockgate.agent.config import DEFAULT_RUN, DEFAULT_STATE, AgentSettings, load

if TYPE_CHECKING:
    from lockgate.agent.intake.entry import Entry, Judgement

app = typer.Typer(help="Core dumps, taken in before they are files.", no_args_is_help=True)

Config = Annotated[Path | None, typer.Option(help="Settings (TOML).")]
StateDir = Annotated[Path | None, typer.Option(help="Where the agent keeps its state.")]
RunDir = Annotated[Path | None, typer.Option(help="Where the agent keeps its sockets.")]


@app.command("run")
def intake_run(
    store: Annotated[Path, typer.Option(help="The intake store.")],
    max_bytes: Annotated[int, typer.Option(help="Most bytes in the store.", min=0)] = 64 << 30,
    max_files: Annotated[int, typer.Option(help="Most dumps in the store.", min=0)] = 1000,
    crashes_per_hour: Annotated[int, typer.Option(help="Dumps kept of one fault.", min=0)] = 3,
    state_dir: Annotated[Path, typer.Option()] = DEFAULT_STATE,
    run_dir: Annotated[Path, typer.Option()] = DEFAULT_RUN,
) -> None:
    """Serve the intake: `enable` and the agent start it; a service manager may."""
    from lockgate.agent import logs, privileges
    from lockgate.agent.intake.server import IntakePlace, serve
    from lockgate.agent.intake.store import IntakeQuota
    from lockgate.cli.hardening import forbid_core_dumps

    forbid_core_dumps()
    privileges.keep_only(privileges.INTAKE)  # before the first thread
    logs.set_up()
    quota = IntakeQuota(max_bytes, max_files)
    with failures():
        serve(IntakePlace(run_dir, state_dir, store, quota, crashes_per_hour))


@app.command("enable")
def intake_enable(
    replace: Annotated[bool, typer.Option(help="Replace another collector.")] = False,  # noqa: FBT002 - a flag
    config: Config = None,
    state_dir: StateDir = None,
    run_dir: RunDir = None,
    as_json: Json = False,  # noqa: FBT002 - a flag
) -> None:
    """Have all core dumps of this host taken in. Needs root; recorded and reported."""
    from lockgate.agent.guard.features import available
    from lockgate.agent.intake import switch
    from lockgate.agent.intake.pattern import Kernel

    with failures():
        settings = _settings(config, state_dir, run_dir)
        socket = available(settings.kernel_without).coredump_socket
        setting = switch.enable(settings, Kernel(), socket=socket, replace=replace)
    if as_json:
        typer.echo(json.dumps(asdict(setting), sort_keys=True))
    else:
        typer.echo(f"the intake is on, by the {setting.way}: core_pattern is {setting.pattern}")


@app.command("disable")
def intake_disable(
    config: Config = None, state_dir: StateDir = None, run_dir: RunDir = None
) -> None:
    """Put core_pattern back as it was. Needs root; recorded and reported."""
    from lockgate.agent.intake import switch
    from lockgate.agent.intake.pattern import Kernel, shown

    with failures():
        setting = switch.disable(_settings(config, state_dir, run_dir), Kernel())
    if setting is None:
        typer.echo("the intake was not on")
    else:
        typer.echo(f"the intake is off; core_pattern is {shown(setting.old_pattern)} again")


@app.command("status")
def intake_status(
    config: Config = None,
    state_dir: StateDir = None,
    run_dir: RunDir = None,
    as_json: Json = False,  # noqa: FBT002 - a flag
) -> None:
    """Say how the intake is; ends with 1 when something is wrong with it."""
    from lockgate.agent.intake.state import state

    with failures():
        settings = _settings(config, state_dir, run_dir)
        found = state(settings.run_dir, settings.state_dir)
    wrong = list(found.weaknesses())
    if as_json:
        typer.echo(json.dumps(asdict(found) | {"reasons": wrong}, sort_keys=True))
    else:
        typer.echo(f"intake: {'on' if found.enabled else 'off'}")
        typer.echo(f"serves: {f'pid {found.pid}' if found.pid else 'no'}")
        typer.echo(f"taken in: {found.taken_in}, coming in: {found.receiving}")
        for why, count in sorted(found.not_kept.items()):
            typer.echo(f"not kept ({why}): {count}")
        for reason in wrong:
            typer.echo(f"wrong: {reason}")
    if wrong:
        raise typer.Exit(1)


@app.command("list")
def intake_list(
    config: Config = None,
    state_dir: StateDir = None,
    as_json: Json = False,  # noqa: FBT002 - a flag
) -> None:
    """List the crashes, oldest first, with what was decided about each dump."""
    from lockgate.agent.intake.process import store_of

    with failures():
        store = store_of(_settings(config, state_dir, None))
        known = [(entry, store.judgement(entry.entry_id)) for entry in store.all()]
    for entry, judgement in known:
        if as_json:
            typer.echo(json.dumps(_record(entry, judgement), sort_keys=True))
        else:
            verdict = judgement.verdict if judgement else "-"
            kept = entry.why.value or entry.state.value
            who = entry.crash.opener.executable or entry.crash.name
            line = f"{entry.entry_id}  {entry.time}  {entry.size:>12}"
            typer.echo(f"{line}  {kept:<12}  {verdict:<10}  {who}")


@app.command("show")
def intake_show(
    entry_id: Annotated[str, typer.Argument(metavar="ID")],
    config: Config = None,
    state_dir: StateDir = None,
    as_json: Json = False,  # noqa: FBT002 - a flag
) -> None:
    """Show what is known of one crash, what was found in its dump, and the verdict."""
    from lockgate.agent.intake.process import store_of

    with failures():
        store = store_of(_settings(config, state_dir, None))
        entry = store.find(entry_id)
    if entry is None:
        fail(f"nothing in the intake is called {entry_id}", 1)
    record = _record(entry, store.judgement(entry_id))
    if as_json:
        typer.echo(json.dumps(record, sort_keys=True))
    else:
        for line in _lines(record):
            typer.echo(line)


@app.command("export")
def intake_export(
    entry_id: Annotated[str, typer.Argument(metavar="ID")],
    to: Annotated[Path, typer.Option(metavar="FILE", help="A file that does not exist yet.")],
    config: Config = None,
    state_dir: StateDir = None,
    run_dir: RunDir = None,
) -> None:
    """Write a dump out: as it is after an ALLOW, else encrypted (age). Recorded."""
    from lockgate.agent.intake.export import Exporting, export
    from lockgate.agent.intake.process import store_of
    from lockgate.agent.notes import note_receipt
    from lockgate.agent.sealing import encrypt_to

    with failures():
        settings = _settings(config, state_dir, run_dir)
        how = Exporting(
            recipients=settings.intake.recipients,
            encrypt_to=encrypt_to,
            record=partial(note_receipt, settings.state_dir, settings.run_dir),
        )
        receipt = export(store_of(settings), entry_id, to.absolute(), how)
    typer.echo(f"{receipt.detail}: {receipt.path}")


@app.command("discard")
def intake_discard(
    entry_id: Annotated[str, typer.Argument(metavar="ID")],
    config: Config = None,
    state_dir: StateDir = None,
    run_dir: RunDir = None,
) -> None:
    """Remove a dump for good, to make room; what is known of the crash stays. Recorded."""
    from lockgate.agent.intake.export import discard
    from lockgate.agent.intake.process import store_of
    from lockgate.agent.notes import note_receipt

    with failures():
        settings = _settings(config, state_dir, run_dir)
        receipt = discard(
            store_of(settings),
            entry_id,
            partial(note_receipt, settings.state_dir, settings.run_dir),
        )
    typer.echo(f"{receipt.detail}: {receipt.path}")


def _settings(config: Path | None, state_dir: Path | None, run_dir: Path | None) -> AgentSettings:
    return load(config, {"state_dir": state_dir, "run_dir": run_dir})


def _record(entry: Entry, judgement: Judgement | None) -> dict[str, Any]:
    return entry.to_json() | {"judgement": asdict(judgement) if judgement else None}


def _lines(record: dict[str, Any], indent: str = "") -> Iterator[str]:
    for name, value in record.items():
        if isinstance(value, dict):
            yield f"{indent}{name}:"
            yield from _lines(value, f"{indent}  ")
        elif isinstance(value, list | tuple):
            yield f"{indent}{name}: {', '.join(map(str, value)) or '-'}"
        else:
            yield f"{indent}{name}: {value}"

"""``lockgate agent zone``: making a folder a filesystem of its own, and undoing it.

Rules enforced here: what changes the system says what it changed, and how to undo it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lockgate.agent.cli.common import Json, StateDir, failures
from lockgate.agent.config import DEFAULT_STATE
from lockgate.agent.zone_image.checks import Filesystem

if TYPE_CHECKING:
    from lockgate.agent.zone_image.record import ZoneImage

app = typer.Typer(help="Filesystems of their own for zones.", no_args_is_help=True)

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@app.command("create")
def zone_create(
    path: Annotated[Path, typer.Argument(help="The folder, such as /var/crash.")],
    size: Annotated[str, typer.Option(help="Size of the filesystem, such as 20G.")],
    kind: Annotated[Filesystem, typer.Option("--type", help="The filesystem.")] = Filesystem.EXT4,
    image: Annotated[Path | None, typer.Option(help="The image file; else in the state.")] = None,
    keep_old: Annotated[bool, typer.Option(help="Keep the copied content below.")] = False,  # noqa: FBT002 - a flag
    fstab: Annotated[Path, typer.Option(help="The table of mounts.")] = Path("/etc/fstab"),
    state_dir: StateDir = DEFAULT_STATE,
    as_json: Json = False,  # noqa: FBT002 - a flag
) -> None:
    """Make a folder a filesystem of its own, without a reboot. Needs root."""
    from lockgate.agent.zone_image.making import create
    from lockgate.agent.zone_image.record import Records

    with failures():
        records = Records.of(state_dir)
        wanted = records.new(path, _bytes_of(size), kind, image, fstab)
        made = create(records, wanted, keep_old=keep_old)
    if as_json:
        typer.echo(json.dumps(_facts(made), sort_keys=True))
        return
    typer.echo(f"{made.path} is a filesystem of its own ({made.kind.value}, {made.image})")
    if keep_old:
        typer.echo("the old content is still below the mount, where nothing guards it")
    typer.echo(f"to undo it: lockgate agent zone undo {made.path}")


@app.command("list")
def zone_list(state_dir: StateDir = DEFAULT_STATE, as_json: Json = False) -> None:  # noqa: FBT002 - a flag
    """List the folders that were made filesystems of their own, or are half made."""
    from lockgate.agent.zone_image.record import Records
    from lockgate.scan.names import escape_name

    with failures():
        facts = [_facts(zone) for zone in Records.of(state_dir).all()]
    for fact in facts:
        if as_json:
            typer.echo(json.dumps(fact, sort_keys=True))
        else:
            mounted = "mounted" if fact["mounted"] else "not mounted"
            name = escape_name(str(fact["path"]))
            typer.echo(f"{name}  {fact['type']}  {fact['size']}  {fact['step']}  {mounted}")


@app.command("undo")
def zone_undo(
    path: Annotated[Path, typer.Argument(help="The folder.")],
    state_dir: StateDir = DEFAULT_STATE,
    as_json: Json = False,  # noqa: FBT002 - a flag
) -> None:
    """Put the content back into the folder and remove its filesystem. Needs root."""
    from lockgate.agent.zone_image.record import Records
    from lockgate.agent.zone_image.undoing import undo

    with failures():
        undone = undo(Records.of(state_dir), path.resolve())
    if as_json:
        typer.echo(json.dumps({"path": str(undone.path)}))
    else:
        typer.echo(f"{undone.path} is a folder again; what was in it is in it")


def _facts(zone: ZoneImage) -> dict[str, object]:
    from lockgate.agent.zone_image.mounting import is_mounted

    return {
        "path": str(zone.path),
        "image": str(zone.image),
        "size": zone.size,
        "type": zone.kind.value,
        "step": zone.step.value,
        "mounted": is_mounted(zone),
    }


def _bytes_of(text: str) -> int:
    """``20G`` and the like in bytes.

    Raises:
        ValueError: it is no size.
    """
    found = re.fullmatch(r"(\d+)([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if not found:
        raise ValueError(f"--size {text}: a number with K, M, G or T, such as 20G")
    return int(found[1]) * _UNITS[found[2].upper()]

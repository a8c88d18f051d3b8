"""``lockgate agent release``: a judged copy of a file that cannot be read where it is.

Rules enforced here: a copy is written whole or not at all; what goes to standard output is
the copy and nothing else; exit code 1 when nothing was released.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lockgate.agent.cli.common import USAGE, Json, RunDir, fail, failures
from lockgate.agent.config import DEFAULT_RUN

if TYPE_CHECKING:
    from lockgate.agent.release.client import Handed

_COMPLAINTS_S = 60.0


def release(
    path: Annotated[Path, typer.Argument(readable=False, help="The file.")],
    to: Annotated[Path | None, typer.Option(help="Where to; else standard output.")] = None,
    follow: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--follow", help="Append what is written, until interrupted.")
    ] = False,
    interval: Annotated[float, typer.Option(help="Seconds between looks.", min=0.05)] = 1.0,
    run_dir: RunDir = DEFAULT_RUN,
    as_json: Json = False,  # noqa: FBT002 - a flag
) -> None:
    """Hand out a judged copy of a file that is being written, or follow it."""
    if to is None and (follow or as_json):
        fail("name the file to write with --to", USAGE)
    with failures():
        if follow and to is not None:
            _follow(run_dir, path, to, interval)
            return
        handed = _copy(run_dir, path, to)
    if as_json:
        typer.echo(json.dumps(_as_json(handed, path, to), sort_keys=True))
    if handed.fd < 0:
        fail(_refusal(path, handed), 1)


def _copy(run_dir: Path, path: Path, to: Path | None) -> Handed:
    from lockgate.agent.release.client import DeskLine

    with closing(DeskLine(run_dir)) as desk:
        handed = desk.open(path)
    try:
        if handed.fd >= 0:
            _write(handed.fd, to)
    finally:
        handed.close()
    return handed


def _write(fd: int, to: Path | None) -> None:
    with open(os.dup(fd), "rb") as source:
        if to is None:
            shutil.copyfileobj(source, sys.stdout.buffer, 1 << 20)
            sys.stdout.buffer.flush()
            return
        number, temporary = tempfile.mkstemp(dir=to.parent, prefix=".release-")
        try:
            with os.fdopen(number, "wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
            Path(temporary).replace(to)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def _as_json(handed: Handed, path: Path, to: Path | None) -> dict[str, object]:
    return {
        "path": str(path),
        "to": str(to) if handed.fd >= 0 else None,
        "released": handed.fd >= 0,
        "copied": not handed.direct,
        "verdict": handed.verdict.value,
        "reason": handed.reason.value if handed.reason else "",
        "rule": handed.rule,
        "message": handed.message,
        "sha256": handed.sha256,
    }


def _refusal(path: Path, handed: Handed) -> str:
    from lockgate.scan.names import escape_name

    reason = f" ({handed.reason.value})" if handed.reason else ""
    name = escape_name(str(path))
    return f"{name} was not released: {handed.verdict.value}{reason}: {handed.message}"


def _follow(run_dir: Path, path: Path, to: Path, interval_s: float) -> None:
    from lockgate.agent.release.follow import Follower

    said: dict[str, float] = {}

    def complain(sentence: str) -> None:
        """The same sentence at most once a minute."""
        now = time.monotonic()
        if now - said.get(sentence, -_COMPLAINTS_S) >= _COMPLAINTS_S:
            said[sentence] = now
            sys.stderr.write(f"lockgate agent: {sentence}\n")

    follower = Follower(run_dir, path, to, complain)
    try:
        while True:
            follower.step()
            time.sleep(interval_s)
    except KeyboardInterrupt:
        return
    finally:
        follower.close()

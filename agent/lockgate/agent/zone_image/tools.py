"""Programs of the system that are run for us: mount, mkfs, rsync and their like.

Rules enforced here: a program gets an argument list, never a shell's line; one that fails is
told by its name and the first thing it said.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

#: What makes two trees equal: content, owners, modes, times to the nanosecond, links, ACLs and
#: attributes.
_SYNC = ("rsync", "-aHAXS", "--numeric-ids", "--modify-window=-1", "--exclude=/lost+found")


class ToolError(Exception):
    """A program failed; the text says which and why."""


def run(*words: str | Path, pass_fds: tuple[int, ...] = ()) -> str:
    """What a program said on standard output.

    Raises:
        ToolError: it is not there or failed.
    """
    arguments = [os.fspath(word) for word in words]
    try:
        done = subprocess.run(
            arguments,
            check=False,
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",
            stdin=subprocess.DEVNULL,
            pass_fds=pass_fds,
        )
    except FileNotFoundError:
        raise ToolError(f"{arguments[0]} is not installed") from None
    if done.returncode:
        said = done.stderr.strip().partition("\n")[0] or f"exit code {done.returncode}"
        raise ToolError(f"{arguments[0]}: {said}")
    return done.stdout


def copy_tree(source: Path, target: Path, *options: str, pass_fds: tuple[int, ...] = ()) -> None:
    """Make ``target`` what ``source`` is; ``options`` of rsync(1) beside.

    Raises:
        ToolError: it could not be copied whole.
    """
    run(*_SYNC, *options, f"{source}/.", f"{target}/.", pass_fds=pass_fds)


def differences(source: Path, target: Path, *options: str) -> list[str]:
    """What a copy would still change, by content and everything else; empty: nothing.

    Raises:
        ToolError: it could not be read whole.
    """
    found = run(*_SYNC, "--checksum", "--dry-run", "-i", *options, f"{source}/.", f"{target}/.")
    return found.splitlines()


def mounted_at(path: Path) -> str:
    """What is mounted on ``path`` itself, in our mount namespace; empty: nothing."""
    return next((source for target, source in mounts() if target == path), "")


def mounts() -> list[tuple[Path, str]]:
    """Every mount as (where, what), the last on top first."""
    said = json.loads(run("findmnt", "--json", "--list", "-o", "TARGET,SOURCE"))
    found = [(Path(each["target"]), str(each["source"])) for each in said["filesystems"]]
    return found[::-1]


def loops_of(image: Path) -> list[str]:
    """The loop devices over an image file."""
    said = run("losetup", "--json", "-O", "NAME", "-j", image)
    return [each["name"] for each in json.loads(said)["loopdevices"]] if said.strip() else []

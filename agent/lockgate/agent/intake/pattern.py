"""core_pattern: where this host's kernel sends core dumps (core(5)).

Rules enforced here:

1. What was there before is on disk, durably, before anything is changed; taking the intake off
   puts exactly that back.
2. The setting is written last, when a listener answers. Between the two a crash goes where it
   went before.
3. A reboot forgets the setting but not the wish: whoever serves the intake sets it once more,
   and what the new boot had is what is put back.
4. Whatever else is found there later is drift: reported, never overwritten unasked.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from lockgate.agent.durable import sync_directory, write_durably

SETTING_NAME = "intake-setting.json"
LAUNCHER_NAME = "intake-pipe"
SOCKET, PIPE = "socket", "pipe"
#: The kernel keeps this many bytes (CORENAME_MAX_SIZE less the end).
_MOST_BYTES = 127
#: Dumps into pipes that the kernel runs at once; what comes beside them is dropped.
_PIPE_LIMIT = "64"
_PIPE_WORDS = "%P %i %s %F"
_COLLECTORS = {
    "systemd-coredump": "systemd-coredump",
    "apport": "Apport",
    "abrt-hook-ccpp": "ABRT",
    "kdumpctl": "kdump",
}


class PatternError(Exception):
    """The intake cannot be put on or taken off; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """Where the kernel's settings are; another place only in tests."""

    pattern_file: Path = Path("/proc/sys/kernel/core_pattern")
    limit_file: Path = Path("/proc/sys/kernel/core_pipe_limit")
    boot_file: Path = Path("/proc/sys/kernel/random/boot_id")

    def pattern(self) -> str:
        """The present core_pattern.

        Raises:
            OSError: it cannot be read.
        """
        return _line(self.pattern_file)

    def limit(self) -> str:
        """The present core_pipe_limit.

        Raises:
            OSError: it cannot be read.
        """
        return _line(self.limit_file)

    def boot(self) -> str:
        """What names this boot.

        Raises:
            OSError: it cannot be read.
        """
        return _line(self.boot_file)

    def set(self, pattern: str, limit: str) -> None:
        """Write both; the limit first, since it concerns what the pattern starts.

        Raises:
            OSError: not allowed, or the kernel takes no such pattern.
        """
        self.limit_file.write_bytes(f"{limit}\n".encode("utf-8", "surrogateescape"))
        self.pattern_file.write_bytes(f"{pattern}\n".encode("utf-8", "surrogateescape"))


@dataclass(frozen=True, slots=True)
class Setting:
    """What was set, what was there before, and in which boot. ``way``: socket or pipe."""

    way: str
    pattern: str
    limit: str
    old_pattern: str
    old_limit: str
    boot: str
    time: str


def wanted_pattern(way: str, run_dir: Path, state_dir: Path) -> str:
    """The pattern of the intake of these folders.

    Raises:
        PatternError: it is longer than the kernel keeps.
    """
    if way == SOCKET:
        pattern = f"@@{socket_path(run_dir)}"
    else:
        pattern = f"|{state_dir / LAUNCHER_NAME} {_PIPE_WORDS}"
    if len(pattern.encode()) > _MOST_BYTES or " " in str(state_dir if way == PIPE else run_dir):
        raise PatternError(
            f"the kernel takes no core_pattern like {pattern!r}; use folders with shorter names "
            "and no spaces"
        )
    return pattern


def socket_path(run_dir: Path) -> Path:
    """Where the kernel connects to."""
    return run_dir / "coredump.sock"


def collector_of(pattern: str) -> str:
    """The program that takes dumps in now; empty: the kernel writes files."""
    if not pattern.startswith(("|", "@")):
        return ""
    program = pattern[1:].split(maxsplit=1)[0] if pattern[1:].strip() else pattern
    name = program.rpartition("/")[2]
    return _COLLECTORS.get(name, program)


def new_setting(kernel: Kernel, way: str, pattern: str, present: Setting | None) -> Setting:
    """What is to be set now; nothing is changed.

    ``present``: a setting that somebody has written over; what it replaced is put back one day.

    Raises:
        OSError: the kernel's settings cannot be read.
    """
    old_limit = present.old_limit if present else kernel.limit()
    return Setting(
        way=way,
        pattern=pattern,
        limit=_PIPE_LIMIT if way == PIPE else old_limit,
        old_pattern=present.old_pattern if present else kernel.pattern(),
        old_limit=old_limit,
        boot=kernel.boot(),
        time=datetime.now(UTC).isoformat(),
    )


def keep(state_dir: Path, setting: Setting) -> None:
    """Write a setting down, durably.

    Raises:
        OSError: the disk refused.
    """
    write_durably(state_dir / SETTING_NAME, asdict(setting))


def kept(state_dir: Path) -> Setting | None:
    """The setting of these folders; None: the intake is not on.

    Raises:
        PatternError: it is damaged, so nobody knows what was there before.
    """
    path = state_dir / SETTING_NAME
    try:
        return Setting(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        raise PatternError(
            f"{path} cannot be read; set core_pattern by hand and remove the file"
        ) from None


def forget(state_dir: Path) -> None:
    """The intake is off.

    Raises:
        OSError: the disk refused.
    """
    (state_dir / SETTING_NAME).unlink(missing_ok=True)
    sync_directory(state_dir)


def drift_of(kernel: Kernel, setting: Setting) -> str | None:
    """What core_pattern is instead of what was set; None: it is as it was set."""
    try:
        found = kernel.pattern()
    except OSError:
        return "unreadable"
    return None if found == setting.pattern else found


def set_after_boot(kernel: Kernel, state_dir: Path, setting: Setting) -> Setting:
    """Set it again if the host has booted since; the setting that now holds.

    Raises:
        OSError: not allowed, or the disk refused.
    """
    boot = kernel.boot()
    if setting.boot == boot or kernel.pattern() == setting.pattern:
        return setting
    renewed = replace(setting, old_pattern=kernel.pattern(), old_limit=kernel.limit(), boot=boot)
    keep(state_dir, renewed)
    kernel.set(renewed.pattern, renewed.limit)
    return renewed


def write_launcher(state_dir: Path, words: Sequence[str]) -> None:
    """The program of a pipe pattern: the kernel gives it no environment and no folder.

    ``words``: what :func:`lockgate.agent.intake.pipe.main` gets before the kernel's words.

    Raises:
        OSError: the disk refused.
    """
    own = str(Path(sys.argv[0]).parent)  # the folder of the command, which holds no modules
    paths = [path for path in sys.path if path not in {"", own}]
    program = (
        f"#!{sys.executable} -IS\n"
        "import sys\n"
        f"sys.path[:0] = {paths!r}\n"
        "from lockgate.agent.intake.pipe import main\n"
        f"sys.exit(main({list(words)!r} + sys.argv[1:]))\n"
    )
    fresh = state_dir / f".{LAUNCHER_NAME}"
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o700)
    fresh.write_text(program, "utf-8")
    fresh.replace(state_dir / LAUNCHER_NAME)


def shown(pattern: str) -> str:
    """A pattern as a person may read it."""
    return shlex.quote(pattern) if pattern else "(empty)"


def _line(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "surrogateescape").removesuffix("\n")

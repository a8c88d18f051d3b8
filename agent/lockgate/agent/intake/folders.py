"""Dumps of other collectors, where they keep them: systemd-coredump and Apport.

Rules enforced here:

1. The folders are looked through every few seconds; each file that is whole and not known yet
   gets an entry. A file is known by its identity, so that a changed one counts as new.
2. Who crashed is taken from what the collector says: extended attributes, the name, or the
   fields of a report. These are claims of another program, read with bounds.
3. A folder on a guarded filesystem is left to the guard, which holds its files anyway:
   opening one here would wait for ourselves.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lockgate.agent.config import ZoneSettings
from lockgate.agent.guard.custody import identity_of
from lockgate.agent.intake.entry import Crash, Entry, State
from lockgate.agent.intake.store import Store
from lockgate.scan.names import escape_name
from lockgate.wire.ids import uuid7
from lockgate.wire.transfer import Opener

#: core.COMM.UID.BOOTID.PID.TIME with a suffix of compression (systemd-coredump(8)).
_SYSTEMD = re.compile(
    r"core\.(?P<comm>.+)\.(?P<uid>\d+)\.[0-9a-f]{32}\.(?P<pid>\d+)\.(?P<time>\d+)"
    r"(?:\.(?:zst|xz|lz4))?"
)
_APPORT_SUFFIX = ".crash"
_ATTRIBUTES = "user.coredump."
_MOST_FIELD_BYTES = 64 << 10
_QUIET_S = 2.0
_MOST_ID, _MOST_MICROS, _MOST_DIGITS = (1 << 31) - 1, (1 << 63) - 1, 19


@dataclass(frozen=True, slots=True)
class Told:
    """What a collector says of a crash."""

    crash: Crash
    time: str


class Folders:
    """Finds the files of other collectors and makes entries of them."""

    def __init__(
        self, folders: Sequence[Path], store: Store, zones: Sequence[ZoneSettings]
    ) -> None:
        self._folders = tuple(folders)
        self._store = store
        self._zones = tuple(zones)
        self._known = {e.identity for e in store.all() if e.state is State.ELSEWHERE}

    def look(self) -> None:
        """Make an entry of every new file."""
        for folder in self._folders:
            for path, status in self._files(folder):
                identity = _identity(status)
                if identity in self._known or time.time() - status.st_mtime < _QUIET_S:
                    continue
                with suppress(OSError):
                    self._store.write(_entry(path, status))
                    self._known.add(identity)

    def _files(self, folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
        with suppress(OSError):
            if folder.stat().st_dev in self._guarded():
                return
            for item in os.scandir(folder):
                if not item.name.startswith("."):
                    status = item.stat(follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode):
                        yield Path(item.path), status

    def _guarded(self) -> set[int]:
        devices = set()
        for zone in self._zones:
            with suppress(OSError):
                devices.add(zone.path.stat().st_dev)
        return devices


def told_of(path: Path, modified: float) -> Told:
    """What name, attributes and fields say of the dump at ``path``."""
    if path.name.endswith(_APPORT_SUFFIX):
        return of_apport(_fields(path), modified)
    attributes = {name: _attribute(path, name) for name in ("pid", "uid", "gid", "signal")}
    attributes |= {name: _attribute(path, name) for name in ("comm", "exe", "timestamp")}
    return of_systemd(path.name, attributes, modified)


def of_systemd(name: str, attributes: dict[str, str], modified: float) -> Told:
    """A dump of systemd-coredump, by its attributes, else by its name."""
    found = _SYSTEMD.fullmatch(name)
    named = found.groupdict() if found else {}
    micros = _number(attributes.get("timestamp") or named.get("time", ""), _MOST_MICROS)
    opener = Opener(
        pid=_number(attributes.get("pid") or named.get("pid", "")) or 0,
        uid=_number(attributes.get("uid") or named.get("uid", "")),
        gid=_number(attributes.get("gid", "")),
        executable=escape_name(attributes.get("exe", "")),
    )
    comm = attributes.get("comm") or named.get("comm", "")
    crash = Crash(opener, escape_name(comm), _number(attributes.get("signal", "")) or 0)
    return Told(crash, _iso(micros / 1e6 if micros else modified))


def of_apport(fields: dict[str, str], modified: float) -> Told:
    """A report of Apport, by its fields."""
    status = dict(
        line.split(":", 1) for line in fields.get("ProcStatus", "").splitlines() if ":" in line
    )
    executable = fields.get("ExecutablePath", "")
    opener = Opener(
        pid=_number(status.get("Pid", "")) or 0,
        uid=_number(status.get("Uid", "")),
        gid=_number(status.get("Gid", "")),
        executable=escape_name(executable),
        command=escape_name(fields.get("ProcCmdline", "")),
    )
    signal = _number(fields.get("Signal", "")) or 0
    return Told(Crash(opener, escape_name(executable.rpartition("/")[2]), signal), _iso(modified))


def parse_fields(text: str) -> dict[str, str]:
    """The fields in front of a report: ``Name: value``, further lines indented (deb822)."""
    fields: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith(" "):
            if name:
                fields[name] += f"\n{line[1:]}"
            continue
        name, colon, value = line.partition(":")
        if not colon or name == "CoreDump":
            break
        fields[name] = value.strip()
    return fields


def _entry(path: Path, status: os.stat_result) -> Entry:
    told = told_of(path, status.st_mtime)
    return Entry(
        entry_id=uuid7(),
        time=told.time,
        way="folder",
        state=State.ELSEWHERE,
        crash=told.crash,
        size=status.st_size,
        stored=status.st_blocks * 512,
        path=str(path),
        identity=_identity(status),
    )


def _identity(status: os.stat_result) -> tuple[int, ...]:
    found = identity_of(status)
    return (found.device, found.inode, found.size, found.mtime_ns)


def _fields(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as source:
            return parse_fields(source.read(_MOST_FIELD_BYTES).decode("utf-8", "backslashreplace"))
    except OSError:
        return {}


def _attribute(path: Path, name: str) -> str:
    try:
        return os.getxattr(path, _ATTRIBUTES + name, follow_symlinks=False).decode(
            "utf-8", "backslashreplace"
        )
    except OSError:
        return ""


def _number(text: str, most: int = _MOST_ID) -> int | None:
    """The first word as a number; None: it is none, or beyond what the kernel has."""
    word = next(iter(text.split()), "")
    number = int(word) if word.isdecimal() and len(word) <= _MOST_DIGITS else None
    return None if number is None or number > most else number


def _iso(seconds: float) -> str:
    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    return datetime.now(UTC).isoformat()

"""The processes that a zone's settings let read whatever they open; off by default.

Rules enforced here:

1. An entry matches when all of its fields do: the systemd unit, the digest of the executable,
   the package that owns it.
2. A unit is the system's (systemd.unit(5)): groups that a user makes below its own do not count.
3. A program, by digest or package, counts only where :mod:`programs` can speak of it, and only
   when it runs as root or its unit is named too: any user can start any program.
4. The guard's thread waits a moment at most. Whoever cannot be looked at in that time is
   judged like everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from lockgate.agent.config import ReaderSettings
from lockgate.agent.guard import packages
from lockgate.agent.guard.cgroups import unit_of
from lockgate.agent.guard.opener import read_cgroup
from lockgate.agent.guard.programs import Program, Programs
from lockgate.wire.transfer import Zone

_PATIENCE_S = 0.05
_SHOWN_DIGITS = 12


class ReaderError(ValueError):
    """An entry that can never match on this host; the text says why."""


def check(entries: Sequence[ReaderSettings]) -> None:
    """Refuse entries that cannot work here.

    Raises:
        ReaderError: a package is named and there is no package database.
    """
    for entry in entries:
        if entry.package and not packages.is_known():
            raise ReaderError(
                f"zones.readers: package {entry.package}: this host has no dpkg database (rpm is "
                "not read); name the unit or the executable_sha256"
            )


def name_of(entry: ReaderSettings) -> str:
    """How receipts name an entry."""
    digest = entry.executable_sha256[:_SHOWN_DIGITS]
    fields = {"unit": entry.unit, "executable": digest, "package": entry.package}
    return ",".join(f"{key}={value}" for key, value in fields.items() if value)


def matches(
    entry: ReaderSettings,
    unit: str,
    program: Program | None,
    owns: Callable[[str, Program], bool] = packages.owns,
) -> bool:
    """Whether a process of ``unit`` that runs ``program`` is one that the entry speaks of."""
    if entry.unit and entry.unit != unit:
        return False
    if not entry.executable_sha256 and not entry.package:
        return True
    if program is None or not (program.root or entry.unit):
        return False
    digest = entry.executable_sha256.lower()
    return digest in {"", program.sha256} and (not entry.package or owns(entry.package, program))


class AllowedReaders:
    """Implements :class:`lockgate.agent.ports.Readers`."""

    def __init__(
        self, entries: Mapping[str, Sequence[ReaderSettings]], guarded: Collection[int]
    ) -> None:
        """``entries`` by the zone's name; ``guarded``: device numbers of all zones."""
        for listed in entries.values():
            check(listed)
        self._entries = {name: tuple(listed) for name, listed in entries.items() if listed}
        self._programs = Programs(guarded)
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="readers")
        self._running: Future[str | None] | None = None

    def admits(self, zone: Zone, tid: int) -> str | None:
        """See :class:`lockgate.agent.ports.Readers`."""
        entries = self._entries.get(zone.name)
        if not entries or (self._running is not None and not self._running.done()):
            return None
        self._running = self._pool.submit(self._look, entries, tid)
        try:
            return self._running.result(_PATIENCE_S)
        except (OSError, ValueError):  # TimeoutError is one of them
            return None

    def close(self) -> None:
        """Look at nobody any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _look(self, entries: tuple[ReaderSettings, ...], tid: int) -> str | None:
        unit = unit_of(read_cgroup(tid))
        program: Program | None = None
        if any(e.executable_sha256 or e.package for e in entries if e.unit in {"", unit}):
            program = self._programs.of(tid)
        return next((name_of(e) for e in entries if matches(e, unit, program)), None)

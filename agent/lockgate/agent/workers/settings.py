"""How scan workers run, and what those of one zone run with.

Rules enforced here: a worker's command line is put together in one place, and its environment
holds nothing of the agent's that could be a secret.
"""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: Users a worker may run as, best first; ``nobody`` exists on every host.
WORKER_USERS = ("lockgate-scan", "nobody")


class AccountError(Exception):
    """There is no user to run scans as; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user to run as."""

    uid: int
    gid: int


def worker_account(names: Sequence[str] = WORKER_USERS) -> Account:
    """The first of ``names`` that this host has.

    Raises:
        AccountError: it has none of them, or the first that it has is root.
    """
    for name in names:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid == 0:
            raise AccountError(f"scans do not run as {name}, who is root")
        return Account(entry.pw_uid, entry.pw_gid)
    raise AccountError(f"no user to run scans as; create one of: {', '.join(names)}")


@dataclass(frozen=True, slots=True)
class ZoneWorkers:
    """What the workers of one zone run with. ``account`` None keeps the agent's user."""

    account: Account | None = None
    salt_file: Path | None = None

    def arguments(self) -> list[str]:
        """The part of a worker's command line that is its zone's."""
        line: list[str] = []
        if self.account is not None:
            line += ["--uid", str(self.account.uid), "--gid", str(self.account.gid)]
        if self.salt_file is not None:
            line += ["--salt-file", str(self.salt_file)]
        return line


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How workers run.

    ``count``: at work for one zone at a time; as many more may start for opens that wait while
    background scans run. ``most``: processes in all. ``private_bytes`` bounds the private
    memory of one (RLIMIT_DATA). ``zones``: by name; a zone that is not there gets ``others``.
    """

    count: int = 1
    most: int = 4
    private_bytes: int = 256 << 20
    profile: str = "standard"
    registry: tuple[Path, ...] = ()
    zones: Mapping[str, ZoneWorkers] = field(default_factory=dict)
    others: ZoneWorkers = field(default_factory=ZoneWorkers)
    program: tuple[str, ...] = ("-m", "lockgate.agent.workers.worker")

    def __post_init__(self) -> None:
        if self.count < 1 or self.most < 1:
            raise ValueError("count and most must be above zero")

    def command(self, sock: int, zone: str) -> list[str]:
        """The command line of one worker of ``zone`` that talks over descriptor ``sock``."""
        return [
            *(sys.executable, *self.program),
            *("--socket", str(sock), "--parent", str(os.getpid())),
            *("--memory", str(self.private_bytes), "--profile", self.profile),
            *(text for path in self.registry for text in ("--registry", str(path))),
            *self.zones.get(zone, self.others).arguments(),
        ]


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """What of our environment a worker may see: nothing that could be a secret."""
    kept = {name: ours[name] for name in ("PATH", "LANG", "VIRTUAL_ENV") if name in ours}
    # One thread and one arena: both are bought with private memory that the limit counts.
    return {**kept, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}

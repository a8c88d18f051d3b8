"""A PostgreSQL server of the tests' own: a cluster in a folder, on a socket in that folder.

Rules enforced here: the server listens on no network, runs without root's rights, and only
processes that were started here are ended, by pid.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psycopg

USER = "postgres"
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "16MB",
    # After a kill, one call for the filesystem, not one for each file of each test's database:
    # with some hundreds of them that took longer than a minute on a busy disk.
    "recovery_init_sync_method": "syncfs",
}


def programs() -> Path | None:
    """Where the newest installed server's programs are."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=_version)
    found = debian[-1] if debian else shutil.which("postgres")
    return Path(found).parent if found else None


def _version(program: Path) -> int:
    return int(program.parts[-3]) if program.parts[-3].isdigit() else 0


def _program(name: str) -> Path:
    folder = programs()
    assert folder is not None, "PostgreSQL is not installed"
    return folder / name


class Cluster:
    """One server; ``folder`` must be reachable for the user it runs as.

    ``settings`` are its own beside those that keep it small.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self._settings = {**_SETTINGS, **settings}
        self._data = folder / "data"
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._as_user: list[str] = []  # by a program: forking beside gRPC's threads may crash
        if os.geteuid() == 0:
            self._as_user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
            shutil.chown(folder, USER, USER)

    def initialise(self) -> None:
        """Make the cluster; its superuser is ``lockgate``."""
        options = ["-A", "trust", "-U", "lockgate", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        self._run("initdb", "-D", self._data, *options)

    def start(self) -> None:
        """Run it and wait until it answers; after a kill it recovers first."""
        pairs = self._settings.items()
        settings = [part for name, value in pairs for part in ("-c", f"{name}={value}")]
        end = time.monotonic() + 60
        while not self._answers():
            if self._process is None or self._process.poll() is not None:
                self._process = self._spawn("postgres", *settings)
            if time.monotonic() > end:
                raise TimeoutError((self.folder / "log").read_text(errors="replace")[-2000:])
            time.sleep(0.05)

    def _spawn(self, *command: str) -> subprocess.Popen[bytes]:
        arguments = [
            *self._as_user,
            _program(command[0]),
            "-D",
            self._data,
            "-k",
            self.folder,
            *command[1:],
        ]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(arguments, stdout=log, stderr=log, cwd=self.folder)

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(self._conninfo("postgres")).close()
            return True
        return False

    def _conninfo(self, database: str) -> str:
        return f"host={self.folder} user=lockgate dbname={database} connect_timeout=10"

    def kill(self) -> None:
        """SIGKILL to the postmaster; its children end as soon as they notice."""
        self.signal(signal.SIGKILL)

    def stop(self) -> None:
        """End it, without waiting for clients."""
        self.signal(signal.SIGINT)

    def signal(self, number: int) -> None:
        """Send ``number`` and wait for the end."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(120)
            self._process = None

    def forget_process(self) -> None:
        """After a restart of the machine: the process that the lock files name is another's."""
        for lock in (self._data / "postmaster.pid", self.folder / ".s.PGSQL.5432.lock"):
            lock.unlink(missing_ok=True)

    def pids(self) -> list[int]:
        """The postmaster and its children."""
        assert self._process
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"lockgate_{next(self._numbers)}"
        with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, name: str = "lockgate_1") -> str:
        """The URL of a database; the first that was made, unless it is named."""
        return f"postgresql+psycopg://lockgate@/{name}?host={self.folder}"

    def _run(self, program: str, *arguments: object) -> None:
        command = [*self._as_user, _program(program), *map(str, arguments)]
        subprocess.run(command, check=True, capture_output=True, cwd="/")

"""The agent's side of the holder: get the permission group, beat, and see the holder die.

Rules enforced here:

1. An agent gets the group from a holder and from nowhere else, so that taking over and
   starting are one way, and the holder has swept before the agent reads.
2. A holder that does not answer is replaced: the new one gets a duplicate of the group before
   the old one is ended. Only when no process and no service manager has the group, a new
   group is made.
3. A holder that dies or falls silent under a living agent is replaced at once; until then the
   guard says that it is degraded.
4. Nothing is armed before the holder has the pins.
5. One agent for each run folder: answers are matched by number, so that of two who read one
   group each would answer the other's opens.
"""

from __future__ import annotations

import fcntl
import os
import resource
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from lockgate.agent.guard import fanotify, processes, systemd
from lockgate.agent.guard.holder import SOCKET_NAME

_PATIENCE_S = 10.0
_GREETING_S = 3.0
_SILENT_S = 3.0
_RESTART_S = 3.0  # for pid 1 to start the holder again
_KILL_S = 1.0
_KILLS = 5  # a process in an uninterruptible sleep cannot be ended, and answers nothing
_MOST_FDS = 253
_CREDENTIALS = struct.Struct("=iII")


class HolderBusyError(Exception):
    """Another agent holds opens already."""


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Times in seconds. ``silence_s``: without a beat, after which an agent is ended.

    ``grace_s``: opens wait for a next agent. ``deadline_s``: no open waits longer for this
    one. ``deny_errno``: as in :class:`lockgate.agent.guard.features.Features`.
    """

    silence_s: float = 5.0
    grace_s: float = 5.0
    deadline_s: float = 20.0
    deny_errno: bool = True


@dataclass(frozen=True, slots=True)
class _Greeting:
    connection: socket.socket
    group: int
    pins: tuple[int, ...]
    stored: bool


class GroupLink:
    """The group and the connection to its holder.

    ``pins`` are directories that the holder keeps for earlier agents; the caller owns them.
    """

    def __init__(
        self, run_dir: Path, settings: LinkSettings, greeting: _Greeting, lock: int
    ) -> None:
        self.group = greeting.group
        self.pins = greeting.pins
        self._run_dir = run_dir
        self._settings = settings
        self._connection: socket.socket | None = greeting.connection
        self._stored = greeting.stored
        self._pinned: tuple[int, ...] = ()
        self._heard = time.monotonic()
        self._lost = 0.0
        self._disarmed = False
        self._lock = lock

    @classmethod
    def open(cls, run_dir: Path, settings: LinkSettings | None = None) -> Self:
        """Take over the group of a running holder, or start a holder.

        Raises:
            HolderBusyError: another agent is alive.
            OSError: no permission events, or the holder did not start.
        """
        settings = settings or LinkSettings()
        run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = _lock(run_dir)
        try:
            greeting = cls._join(run_dir, settings)
        except BaseException:
            os.close(lock)
            raise
        processes.write_agent_pid(run_dir)
        (run_dir / processes.DISARMED_NAME).unlink(missing_ok=True)
        return cls(run_dir, settings, greeting, lock)

    @staticmethod
    def _join(run_dir: Path, settings: LinkSettings) -> _Greeting:
        kept = systemd.received()
        groups, pins = kept.get(systemd.GROUP_NAME, []), kept.get(systemd.PIN_NAME, [])
        try:
            greeting = _greet(run_dir, b"HELLO", settings)
        except OSError:
            _refuse_second_agent(run_dir)
            greeting = _start_over(run_dir, settings, groups)
        finally:
            for group in groups:
                os.close(group)
        return replace(greeting, pins=(*greeting.pins, *pins))

    def pin(self, directories: Sequence[int]) -> None:
        """Have the holder pin the filesystems of ``directories``, instead of what it had.

        Raises:
            OSError: no holder took them.
        """
        self._pinned = tuple(directories)
        if self._connection is None:
            raise ConnectionError("there is no holder to pin the zones")
        socket.send_fds(self._connection, [b"PINS"], self._pinned)
        end = time.monotonic() + _GREETING_S
        while (left := end - time.monotonic()) > 0:
            if not processes.readable(self._connection.fileno(), left):
                break
            packet = self._connection.recv(64)
            self._disarmed = self._disarmed or packet == b"DISARM"
            if packet == b"PINNED":
                return
            if not packet:
                break
        raise ConnectionError("the holder did not pin the zones")

    def beat(self, oldest_s: float = 0.0) -> bool:
        """Tell holder and service manager that the loop turns; replace a holder that is gone.

        ``oldest_s``: how long the open that waits longest has waited. True when an operator has
        disarmed.
        """
        systemd.notify("WATCHDOG=1")
        now = time.monotonic()
        if self._connection is not None:
            try:
                flags = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
                self._connection.send(b"BEAT %d" % int(1000 * oldest_s), flags)
            except BlockingIOError:
                pass
            except OSError:
                self._forget_connection()
        silent = now - self._heard > 2 * self._settings.silence_s
        if self._connection is None or silent:
            self._replace_holder()
        return self._disarmed

    def fileno(self) -> int | None:
        """The connection to the holder, readable when it speaks or dies; None: there is none."""
        return self._connection.fileno() if self._connection is not None else None

    def hear(self) -> bool:
        """What the holder says: True when an operator disarms.

        A holder that died is replaced here, at once.
        """
        try:
            packet = self._connection.recv(64) if self._connection is not None else b""
        except BlockingIOError:
            return self._disarmed
        except OSError:
            packet = b""
        if packet:
            self._heard = time.monotonic()
        else:
            self._forget_connection()
            self._replace_holder()
        return self._disarmed or packet == b"DISARM"

    def weaknesses(self) -> tuple[str, ...]:
        """Why the guard is less than whole."""
        if self._connection is None:
            return ("no holder keeps the group alive",)
        if time.monotonic() - self._heard > _SILENT_S:
            return ("the holder does not answer",)
        return ()

    def close(self) -> None:
        """Let go of the group; opens wait for the next agent, or for the holder's refusal."""
        if self._connection is None:  # without a holder, opens would pass
            self._replace_holder()
        os.close(self.group)
        if self._connection is not None:
            with suppress(OSError):  # a holder that is gone finds nobody when it is back
                self._connection.send(b"LEAVE", socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            self._connection.close()
            self._connection = None
        os.close(self._lock)

    def _forget_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            self._lost = time.monotonic()

    def _replace_holder(self) -> None:
        """Join a holder that took over or was started again; else start one.

        Not when it was ended by an operator who disarms and did not find this process.
        """
        if (self._run_dir / processes.DISARMED_NAME).exists():
            self._disarmed = True
            return
        try:
            try:
                if self._connection is not None:
                    raise ConnectionError("the holder is there and does not answer")
                greeting = _greet(self._run_dir, b"STAY", self._settings)
                if fanotify.marked(greeting.group) != fanotify.marked(self.group):
                    _refuse(greeting)
            except OSError:
                if self._stored and time.monotonic() < self._lost + _RESTART_S:
                    return
                greeting = _renewed(self._run_dir, self._settings, self.group, b"STAY")
            self._forget_connection()
            os.close(greeting.group)
            for pin in greeting.pins:
                os.close(pin)
            self._connection, self._stored = greeting.connection, greeting.stored
            self._heard = time.monotonic()
            self.pin(self._pinned)
        except (OSError, HolderBusyError, subprocess.SubprocessError):
            self._forget_connection()


def _refuse(greeting: _Greeting) -> None:
    """A holder of another group keeps nothing alive: it is replaced."""
    for fd in (greeting.group, *greeting.pins):
        os.close(fd)
    greeting.connection.close()
    raise ConnectionError("the holder has another group")


def _lock(run_dir: Path) -> int:
    """The right to be the agent of ``run_dir``; the kernel takes it back when the process ends.

    It is on the folder, so that it does not go with the files in there.
    """
    folder = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(folder)
        _refuse_second_agent(run_dir)
        raise HolderBusyError(f"an agent is running already in {run_dir}") from None
    return folder


def _refuse_second_agent(run_dir: Path) -> None:
    known = processes.read_agent_pid(run_dir)
    if known is not None and known.is_alive() and known.pid != os.getpid():
        raise HolderBusyError(f"an agent is running already: pid {known.pid}")


def _start_over(run_dir: Path, settings: LinkSettings, kept: Sequence[int]) -> _Greeting:
    """A holder for the group of one that does not answer, of pid 1's store, or for a new one."""
    group = processes.duplicate_group(processes.holders_of(run_dir))
    if group is None:
        group = os.dup(kept[0]) if kept else fanotify.create(deny_errno=settings.deny_errno)
    try:
        return _renewed(run_dir, settings, group, b"HELLO")
    finally:
        os.close(group)


def _renewed(run_dir: Path, settings: LinkSettings, group: int, word: bytes) -> _Greeting:
    """Start a holder with ``group``, and end all others of ``run_dir``."""
    _start_holder(group, run_dir, settings)
    greeting = _greet(run_dir, word, settings)
    raw = greeting.connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    mine = _CREDENTIALS.unpack(raw)[0]
    for _ in range(_KILLS):
        others = {
            pid
            for pid in processes.holders_of(run_dir)
            if pid != mine and processes.parent_of(pid) != mine
        }
        if not others:
            break
        processes.kill(others, _KILL_S)
    return greeting


def _start_holder(group: int, run_dir: Path, settings: LinkSettings) -> None:
    """Start the holder as nobody's child, and wait until it listens."""
    ready_read, ready_write = os.pipe2(os.O_CLOEXEC)
    program = [sys.executable, "-m", processes.HOLDER_MODULE, "--run-dir", str(run_dir)]
    program += ["--group", str(group), "--ready", str(ready_write)]
    program += ["--silence", str(settings.silence_s), "--grace", str(settings.grace_s)]
    launcher = "import os,sys\nif os.fork() == 0: os.execv(sys.argv[1], sys.argv[1:])"
    try:
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", launcher, *program],
            pass_fds=(group, ready_write),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # a pipe that it kept open would outlive the agent
            stderr=subprocess.DEVNULL,
            cwd="/",
            timeout=_PATIENCE_S,
            check=True,
        )
        os.close(ready_write)
        ready_write = -1
        if os.read(ready_read, 1) != b"R":
            raise OSError("the holder did not start")
    finally:
        os.close(ready_read)
        if ready_write >= 0:
            os.close(ready_write)


def _greet(run_dir: Path, word: bytes, settings: LinkSettings) -> _Greeting:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(_GREETING_S)
    try:
        connection.connect(str(run_dir / SOCKET_NAME))
        connection.send(b"%s %d %d" % (word, limit, int(1000 * settings.deadline_s)))
        greeting = _greeting(connection)
    except BaseException:
        connection.close()
        raise
    connection.setblocking(False)  # noqa: FBT003 - the name is the standard library's
    return greeting


def _greeting(connection: socket.socket) -> _Greeting:
    packet, fds, _flags, _address = socket.recv_fds(connection, 256, _MOST_FDS)
    if packet.startswith(b"BUSY"):
        raise HolderBusyError(f"an agent is running already: pid {packet[5:].decode()}")
    if not packet.startswith(b"GROUP") or not fds:
        raise ConnectionError("the holder gave no descriptor")
    for fd in fds:
        os.set_inheritable(fd, False)  # noqa: FBT003 - the name is the standard library's
    return _Greeting(connection, fds[0], tuple(fds[1:]), stored=packet == b"GROUP stored")

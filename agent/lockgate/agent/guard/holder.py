"""The process that keeps the permission group alive: ``python -m lockgate.agent.guard.holder``.

Rules enforced here:

1. The kernel lets everything pass once the last descriptor of a group is closed. This process
   owns one, scans nothing, and can hardly fail; so the death of an agent opens nothing. A
   standby owns another, and so does pid 1 where it keeps descriptors.
2. An agent is ended when it died, when it did not beat for ``silence`` seconds, or when an
   open waits for it beyond its deadline. It leaves opens that it had read: their numbers are
   swept with a denial before anyone reads.
3. For ``grace`` seconds opens wait for the next agent. Then this process denies them itself:
   no open waits for ever.
4. One agent at a time. A second one is told so and gets no descriptor; one that reads the group
   already is ended. One holder at a time: a new one that listens ends all others.
5. It pins the guarded filesystems for the agents: an unmount is refused, what was unmounted
   lazily keeps its mark for the next mount, and a mark that is lost while no agent runs is
   put back. It ends when an operator disarmed, or when no agent ever armed it.
6. No error ends it. After one that nobody foresaw it goes on without the agent, and refuses.

It imports little, so that it is small.

Messages over the socket are single packets. An agent says ``HELLO limit deadline`` (its
RLIMIT_NOFILE; milliseconds), or ``STAY limit deadline`` when it reads the group already and
only lost its holder; then ``PINS`` with descriptors, ``BEAT age`` (of the open that waits
longest, in milliseconds), and ``LEAVE`` when it has closed the group. Answers are
``GROUP word`` with the group and the pins (``stored``: pid 1 keeps them, too), ``PINNED``,
``BEAT`` and ``BUSY pid``. ``DISARM`` is answered ``DISARMED swept killed``; the agent is told
``DISARM`` and has a fifth of a second to go.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Sequence
from pathlib import Path

from lockgate.agent import privileges
from lockgate.agent.guard import fanotify, processes, systemd
from lockgate.agent.guard.peer import LEAVING_S, Agent
from lockgate.agent.guard.standby import Standby, name_process
from lockgate.cli.hardening import forbid_core_dumps

_CREDENTIALS = struct.Struct("=iII")
_PACKET_BYTES = 256
_MOST_PINS = 250  # SCM_MAX_FD is 253
_TICK_S = 1.0
_AFTER_ERROR_S = 0.1
_KILLS = 10
_STANDBY_SILENCE_S = 3.0  # at least: it must not be taken for dead because the host is busy
SOCKET_NAME = "holder.sock"


def protect_process() -> None:
    """Keep others from dumping, tracing or politely ending this process (prctl(2), proc(5))."""
    forbid_core_dumps()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("-1000")
    privileges.keep_only(privileges.HOLDER)


def listen(path: Path) -> socket.socket:
    """The holder's socket, for root only."""
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
    before = os.umask(0o177)
    try:
        server.bind(str(path))
    finally:
        os.umask(before)
    server.listen(8)
    return server


class Held:
    """What this process keeps: the group, the pins, and the bound of the numbers to sweep."""

    __slots__ = ("group", "limit", "pins")

    def __init__(self, group: int, pins: Sequence[int], limit: int) -> None:
        self.group = group
        self.pins = list(pins)
        self.limit = limit

    def replace_pins(self, pins: Sequence[int]) -> None:
        """Keep ``pins`` instead of the old ones."""
        for pin in self.pins:
            os.close(pin)
        self.pins = list(pins)


class Holder:
    """The loop; see the module's rules."""

    def __init__(
        self, held: Held, server: socket.socket, run_dir: Path, silence_s: float, grace_s: float
    ) -> None:
        self._held = held
        self._answers = fanotify.Answers(held.group)
        self._server = server
        self._run_dir = run_dir
        self._silence_s = silence_s
        self._grace_s = grace_s
        self._agent: Agent | None = None
        self._alone_since = time.monotonic()
        self._swept = False
        self._standby = Standby(max(silence_s, _STANDBY_SILENCE_S))
        self._stored = self._store()
        self._changed = True
        self._next_sign = 0.0
        self._ended = False

    def run(self) -> None:
        """Hold until disarmed, or until nobody armed the guard for ``grace`` seconds."""
        while not self._ended:
            try:
                self._turn()
                if not self._ended:
                    self._keep_standby()
            except Exception:  # noqa: BLE001 - if this process ended, everything would pass
                self._refuse_after_error()

    def _refuse_after_error(self) -> None:
        """Nobody else answers, and what waits now is refused; no step waits for another."""
        for step in (
            self._drop_agent,
            lambda: end_lone_agent(self._run_dir),
            self._sweep,
            lambda: self._answers.refuse(fanotify.events(self._answers.read())),
        ):
            with contextlib.suppress(Exception):
                step()
        time.sleep(_AFTER_ERROR_S)

    def _drop_agent(self) -> None:
        agent, self._agent = self._agent, None
        if agent is not None:
            agent.kill()
            agent.close()

    def _turn(self) -> None:
        reading: list[socket.socket | int] = [self._server]
        if self._agent is not None:
            reading += [self._agent.connection, self._agent.pidfd]
        if (standby := self._standby.fileno()) >= 0:
            reading.append(standby)
        answering = self._agent is None and self._grace_left() <= 0
        if answering:
            self._answer_from_now_on()
            reading.append(self._held.group)
        ready = select.select(reading, [], [], self._patience())[0]
        if standby in ready:
            self._standby.hear()
        if self._agent and self._agent.connection in ready:
            self._hear(self._agent)
        if self._agent and (self._agent.pidfd in ready or self._is_lost(self._agent)):
            self._lose_agent()
        if self._server in ready:
            self._accept()
        if answering and self._agent is None and self._held.group in ready:
            self._answers.refuse(fanotify.events(self._answers.read()))
        self._look_for_marks()
        self._tell_service_manager()

    def _tell_service_manager(self) -> None:
        """One sign of life in a while: a stopped holder is ended and started again."""
        now = time.monotonic()
        if now >= self._next_sign:
            self._next_sign = now + _TICK_S
            systemd.notify("WATCHDOG=1")

    def _grace_left(self) -> float:
        return self._alone_since + self._grace_s - time.monotonic()

    def _patience(self) -> float:
        """Seconds until something is to be done though nothing is heard."""
        if self._agent is not None:
            until = self._agent.last_beat + self._silence_s - time.monotonic()
        else:
            until = self._grace_left()
        return min(_TICK_S, until) if until > 0 else _TICK_S

    def _keep_standby(self) -> None:
        if not self._changed and self._standby.lives():
            return
        try:
            promoted = self._standby.renew()
        except OSError:  # no process or descriptor left: tried again at the next turn
            return
        self._changed = False
        if promoted:
            self._promoted()

    def _promoted(self) -> None:
        """This process is the holder now; the agent has as long as it ever had."""
        self._alone_since = time.monotonic()
        if self._agent is not None:
            self._agent.last_beat = time.monotonic()
        self._server.listen(8)  # the peer's credentials are those of who listened
        self._swept = False  # an agent may have come in the last moment
        self._changed = True

    # -- the agent ---------------------------------------------------------------------------

    def _is_lost(self, agent: Agent) -> bool:
        return agent.is_overdue() or time.monotonic() > agent.last_beat + self._silence_s

    def _hear(self, agent: Agent) -> None:
        try:
            packet, fds, _flags, _address = socket.recv_fds(
                agent.connection, _PACKET_BYTES, _MOST_PINS
            )
        except BlockingIOError:
            return
        except OSError:
            packet, fds = b"", []
        word, _, rest = packet.partition(b" ")
        if word == b"BEAT" and rest.isdigit():
            self._raise_limit(processes.descriptor_limit([agent.pid]))
            agent.beat(int(rest) / 1000)
        elif word == b"PINS":
            self._pin(agent, fds)
        else:
            self._lose_agent(leaves=word == b"LEAVE")

    def _raise_limit(self, limit: int) -> None:
        """A number that was in use once may still be pending, whatever the limit is now."""
        if limit > self._held.limit:
            self._held.limit = limit
            self._changed = True

    def _pin(self, agent: Agent, pins: Sequence[int]) -> None:
        self._held.replace_pins(pins)
        self._changed = True
        if self._stored:
            systemd.forget(systemd.PIN_NAME)
            systemd.store(systemd.PIN_NAME, self._held.pins)
        self._keep_standby()
        with contextlib.suppress(OSError):
            agent.connection.send(b"PINNED", socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)

    def _lose_agent(self, *, leaves: bool = False) -> None:
        """Make sure that the agent reads no more, then refuse what it had read."""
        agent = self._agent
        assert agent is not None
        if not leaves:
            agent.kill()
        agent.close()
        self._agent = None
        self._alone_since = time.monotonic()
        self._changed = True
        self._sweep()

    def _sweep(self) -> None:
        self._answers.sweep(self._held.limit)
        self._swept = True

    def _answer_from_now_on(self) -> None:
        """Before the first event is read: nobody else reads, and nothing read is pending."""
        if not self._swept:
            end_lone_agent(self._run_dir)
            self._sweep()

    # -- the socket --------------------------------------------------------------------------

    def _accept(self) -> None:
        try:
            connection, _ = self._server.accept()
        except OSError:
            return
        connection.settimeout(LEAVING_S)
        try:
            self._greet(connection)
        except (OSError, ValueError):
            connection.close()

    def _greet(self, connection: socket.socket) -> None:
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, uid, _gid = _CREDENTIALS.unpack(raw)
        if uid != 0:
            raise PermissionError(errno.EPERM, "the peer is not root")
        word, *numbers = connection.recv(_PACKET_BYTES).split()
        if word == b"DISARM":
            self._disarm(connection)
        elif word in {b"HELLO", b"STAY"}:
            limit, deadline = (int(number) for number in numbers)
            self._welcome(connection, pid, limit, deadline / 1000, reads=word == b"STAY")
        else:
            raise ValueError("not a message of an agent")

    def _welcome(
        self, connection: socket.socket, pid: int, limit: int, deadline_s: float, *, reads: bool
    ) -> None:
        known = self._agent
        if known is not None and known.is_alive() and not (reads and known.pid == pid):
            self._send_away(connection, known.pid)
            if reads:
                self._raise_limit(limit)
                self._end_rival(pid)
            return
        if known is not None and known.pid != pid:
            self._lose_agent()
        elif known is not None:
            known.close()
            self._agent = None
        self._raise_limit(limit)
        if not reads:
            self._sweep()
        self._changed, self._swept = True, False
        self._alone_since = time.monotonic()
        agent = Agent(connection, pid, deadline_s)
        word = b"GROUP stored" if self._stored else b"GROUP kept"
        try:
            socket.send_fds(connection, [word], [self._held.group, *self._held.pins])
        except OSError:  # it is gone already: no agent, as before
            agent.close()
            return
        connection.setblocking(False)  # noqa: FBT003 - the name is the standard library's
        self._agent = agent

    def _send_away(self, connection: socket.socket, known: int) -> None:
        with contextlib.suppress(OSError):
            connection.send(b"BUSY %d" % known)
        connection.close()

    def _end_rival(self, pid: int) -> None:
        """End who reads beside the agent: an answer of either may meet the other's open."""
        processes.kill([pid], LEAVING_S)
        self._sweep()

    def _disarm(self, connection: socket.socket) -> None:
        killed = 0
        if self._agent is None:  # one that only lost its holder would put the guard on again
            killed = 0 if self._swept else end_lone_agent(self._run_dir)
        else:
            if not self._agent.leaves():
                killed = self._agent.pid
                self._agent.kill()
            self._agent.close()
        swept = self._take_off()
        connection.send(b"DISARMED %d %d" % (swept, killed))
        connection.close()

    # -- the group ---------------------------------------------------------------------------

    def _store(self) -> bool:
        """Whether pid 1 keeps the group and the pins."""
        return systemd.store(systemd.GROUP_NAME, [self._held.group]) and (
            systemd.store(systemd.PIN_NAME, self._held.pins)
        )

    def _look_for_marks(self) -> None:
        """While no agent does: put lost marks back, and end a guard that is off."""
        if self._ended or self._agent is not None or fanotify.marked(self._held.group):
            return
        never_armed = not self._held.pins and not self._stored and self._grace_left() <= 0
        if never_armed or (self._run_dir / processes.DISARMED_NAME).exists():
            self._take_off()
        for pin in self._held.pins:
            fanotify.mark(self._held.group, pin)

    def _take_off(self) -> int:
        self._ended = True
        self._standby.end()
        swept = self._answers.take_off(self._held.limit)
        self._held.replace_pins([])
        for name in (systemd.GROUP_NAME, systemd.PIN_NAME):
            systemd.forget(name)
        return swept


def end_lone_agent(run_dir: Path) -> int:
    """End the agent that left its pid in ``run_dir``; its pid, or 0 when there is none."""
    known = processes.read_agent_pid(run_dir)
    if known is None or not known.is_alive():
        return 0
    processes.kill([known.pid], LEAVING_S)
    return known.pid


def end_other_holders(run_dir: Path) -> None:
    """End whoever else holds for ``run_dir``; not what only launches a holder, such as ours."""
    for _ in range(_KILLS):
        others = processes.born_holders_of(run_dir) - {os.getpid()}
        if not others:
            break
        processes.kill(others, LEAVING_S)


def main() -> None:
    """Hold the group that was inherited, that pid 1 kept, or a new one."""
    parser = argparse.ArgumentParser(prog="lockgate-holder")
    parser.add_argument("--group", type=int, help="an inherited permission group")
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--silence", type=float, default=5.0, help="seconds")
    parser.add_argument("--grace", type=float, default=5.0, help="seconds")
    parser.add_argument("--ready", type=int, help="a pipe to write to when it listens")
    options = parser.parse_args()
    protect_process()
    name_process("lockgate-holder")
    kept = systemd.received()
    if options.group is not None:  # a low number: select(2) knows none above 1023
        inherited, options.group = options.group, os.dup(options.group)
        os.close(inherited)
    groups = [options.group] if options.group is not None else kept.get(systemd.GROUP_NAME, [])
    last = processes.read_agent_pid(options.run_dir)
    held = Held(
        groups[0] if groups else fanotify.create(),
        kept.get(systemd.PIN_NAME, []),
        max(processes.descriptor_limit([]), last.limit if last else 0),
    )
    path = options.run_dir / SOCKET_NAME
    server = listen(path)
    if groups:  # the newest has the group, too: two that answer would answer for each other
        end_other_holders(options.run_dir)
    if options.ready is not None:
        with contextlib.suppress(BrokenPipeError):  # the agent died; all the more it must hold
            os.write(options.ready, b"R")
        os.close(options.ready)
    holder = Holder(held, server, options.run_dir, options.silence, options.grace)
    systemd.notify("READY=1")
    holder.run()
    path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()

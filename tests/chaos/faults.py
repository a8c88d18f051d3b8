"""The faults: each hurts one part of a running site and takes its own hurt back.

Rules enforced here:

1. A fault leaves nothing behind that :meth:`site.Site.mend` cannot bring back.
2. Faults are chosen by a seeded generator, so that a run can be repeated.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from chaos_site import DEADLINE_S, Site

Fault = Callable[[Site, random.Random], None]
_SILENCE_S = 5.0


def _signal(pids: list[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


@contextmanager
def _stopped(pids: list[int]) -> Iterator[None]:
    _signal(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(pids, signal.SIGCONT)


# -- the agent -------------------------------------------------------------------------------


def kill_agent(site: Site, choice: random.Random) -> None:
    """SIGKILL, and some time without any agent."""
    _signal(site.agents(), signal.SIGKILL)
    time.sleep(choice.uniform(0, 1))


def crash_agent(site: Site, choice: random.Random) -> None:
    """A signal that would dump core."""
    _signal(site.agents(), choice.choice([signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS]))
    time.sleep(0.2)


def leave_without_agent(site: Site, _choice: random.Random) -> None:
    """No agent for longer than the holder's grace: the holder answers."""
    _signal(site.agents(), signal.SIGKILL)
    time.sleep(7)


def upgrade_agent(site: Site, _choice: random.Random) -> None:
    """An orderly end and a new start."""
    _signal(site.agents(), signal.SIGTERM)
    if site.agent is not None:
        with suppress(subprocess.TimeoutExpired):
            site.agent.wait(10)


def stop_agent_briefly(site: Site, choice: random.Random) -> None:
    """SIGSTOP for less than the holder's patience."""
    with _stopped(site.agents()):
        time.sleep(choice.uniform(0.2, 2))


def stop_agent_for_long(site: Site, _choice: random.Random) -> None:
    """SIGSTOP until the holder ends it."""
    with _stopped(site.agents()):
        time.sleep(_SILENCE_S + 2)


def kill_agent_while_it_starts(site: Site, choice: random.Random) -> None:
    """SIGKILL at any moment of a start."""
    _signal(site.agents(), signal.SIGKILL)
    if site.agent is not None:
        site.agent.wait()
    for _ in range(2):
        site.start_agent(wait=False)
        time.sleep(choice.uniform(0.05, 1.5))
        _signal(site.agents(), signal.SIGKILL)
        site.agent.wait()


def start_second_agent(site: Site, _choice: random.Random) -> None:
    """Another agent of the same site, which must be sent away."""
    first = site.agent
    site.start_agent(wait=False)
    second, site.agent = site.agent, first
    assert second is not None
    try:
        second.wait(8)
    except subprocess.TimeoutExpired:
        second.kill()
        second.wait()


def exhaust_descriptors(site: Site, choice: random.Random) -> None:
    """No descriptor more for the agent, for a while."""
    for pid in site.agents():
        with suppress(OSError):
            used = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - a count
            before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (used, before[1]))
            time.sleep(choice.uniform(0.2, 1.5))
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


# -- the holder ------------------------------------------------------------------------------


def kill_holder(site: Site, _choice: random.Random) -> None:
    """SIGKILL; the agent starts another."""
    _signal(site.holders(), signal.SIGKILL)
    time.sleep(0.3)


def stop_holder(site: Site, choice: random.Random) -> None:
    """SIGSTOP for a while."""
    with _stopped(site.holders()):
        time.sleep(choice.uniform(0.5, 4))


def kill_holder_then_agent(site: Site, choice: random.Random) -> None:
    """The agent dies as soon as it has started a new holder, or some time later."""
    _signal(site.holders(), signal.SIGKILL)
    time.sleep(0.1)  # the dead are gone, and are not taken for the new
    site.wait_for_holder()
    time.sleep(choice.choice([0, 0.1, 0.5, 2]))
    _signal(site.agents(), signal.SIGKILL)
    time.sleep(0.3)


def kill_holder_and_agent(site: Site, choice: random.Random) -> None:
    """Both within the same moment, in either order: the standby is left."""
    pids = [*site.holders("lockgate-holder"), *site.agents()]
    choice.shuffle(pids)
    _signal(pids, signal.SIGKILL)
    time.sleep(choice.uniform(0, 2))


def kill_standby(site: Site, choice: random.Random) -> None:
    """The standby, and then at once the holder or the agent."""
    _signal(site.holders("lockgate-second"), signal.SIGKILL)
    time.sleep(choice.uniform(0, 2))
    _signal(choice.choice([site.holders("lockgate-holder"), site.agents()]), signal.SIGKILL)
    time.sleep(0.3)


def stop_holder_and_agent(site: Site, _choice: random.Random) -> None:
    """Both stopped, until the standby ends them."""
    with _stopped([*site.holders("lockgate-holder"), *site.agents()]):
        time.sleep(2 * _SILENCE_S + 2)


def kill_probers(site: Site, choice: random.Random) -> None:
    """The canaries' probers die in the middle of a round."""
    for _ in range(5):
        _signal(site.probers(), signal.SIGKILL)
        time.sleep(choice.uniform(0, 0.3))


# -- the workers -----------------------------------------------------------------------------


def kill_workers(site: Site, choice: random.Random) -> None:
    """SIGKILL in the middle of scans, again and again."""
    for _ in range(3):
        _signal(site.workers(), signal.SIGKILL)
        time.sleep(choice.uniform(0, 0.5))


def stop_workers(site: Site, choice: random.Random) -> None:
    """SIGSTOP: scans that never end."""
    with _stopped(site.workers()):
        time.sleep(choice.uniform(0.5, 3))


# -- the controller --------------------------------------------------------------------------


def kill_controller(site: Site, choice: random.Random) -> None:
    """SIGKILL, and some time without."""
    if site.controller is not None:
        _signal([site.controller.pid], signal.SIGKILL)
        site.controller.wait()
    time.sleep(choice.uniform(0.2, 2))


def stop_controller(site: Site, choice: random.Random) -> None:
    """A controller that takes calls and never answers."""
    pids = [site.controller.pid] if site.controller is not None else []
    with _stopped(pids):
        time.sleep(choice.uniform(1, 6))


# -- the disk, the clock, the mount ----------------------------------------------------------


def fill_disk(site: Site, choice: random.Random) -> None:
    """Not a byte more for spool and journal."""
    ballast = site.disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as target:
        while True:
            target.write(bytes(1 << 16))
    time.sleep(choice.uniform(0.5, 2.5))
    ballast.unlink(missing_ok=True)


def fill_zone(site: Site, choice: random.Random) -> None:
    """Not a byte more in the zone."""
    ballast = site.zone / "ballast"
    with suppress(OSError), ballast.open("wb") as target:
        os.posix_fallocate(target.fileno(), 0, os.statvfs(site.zone).f_bavail * 4096)
        time.sleep(choice.uniform(0.2, 1))
    ballast.unlink(missing_ok=True)


def jump_clock(site: Site, choice: random.Random) -> None:
    """The agent's clock goes forward or back by up to three days, and returns."""
    site.set_clock(choice.choice([-3, -1, 1, 3]) * 86_400)
    time.sleep(choice.uniform(0.5, 2.5))
    site.set_clock(0)


def remount_lazily(site: Site, choice: random.Random) -> None:
    """Unmounted under everyone's feet, and mounted again."""
    subprocess.run(["umount", "-l", site.zone], check=True)
    time.sleep(choice.uniform(0, 0.3))
    _mount_again(site)


def remount_without_agent(site: Site, choice: random.Random) -> None:
    """The same while no agent lives: only the holder pins the filesystem."""
    _signal(site.agents(), signal.SIGKILL)
    remount_lazily(site, choice)


def _mount_again(site: Site) -> None:
    subprocess.run(["mount", "-o", "nosuid,nodev", site.device, site.zone], check=True)


def freeze_zone(site: Site, choice: random.Random) -> None:
    """No write to the zone's filesystem goes through for a while."""
    if subprocess.run(["fsfreeze", "-f", site.zone], check=False).returncode == 0:
        time.sleep(choice.uniform(0.2, 1))
        subprocess.run(["fsfreeze", "-u", site.zone], check=True)


# -- the machine -----------------------------------------------------------------------------


def burn_cpu(_site: Site, choice: random.Random) -> None:
    """Both cores busy with something else."""
    burners = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(4)]
    time.sleep(choice.uniform(0.5, 2))
    for burner in burners:
        burner.kill()
        burner.wait()


def storm_opens(site: Site, _choice: random.Random) -> None:
    """Hundreds of opens at once, of files that nobody knows."""
    script = "for f in fresh-* dirty-* clean-*; do head -c1 $f >/dev/null 2>&1 & done; wait"
    storms = [
        subprocess.Popen(["timeout", str(DEADLINE_S), "sh", "-c", script], cwd=site.zone)
        for _ in range(4)
    ]
    for storm in storms:
        storm.wait()


def drop_socket(site: Site, _choice: random.Random) -> None:
    """Nonsense on the holder's and the agent's sockets."""
    for name, kind in (("holder.sock", socket.SOCK_SEQPACKET), ("agent.sock", socket.SOCK_STREAM)):
        with suppress(OSError), socket.socket(socket.AF_UNIX, kind) as connection:
            connection.settimeout(1)
            connection.connect(str(site.run_dir / name))
            connection.send(os.urandom(64))


FAULTS: tuple[Fault, ...] = (
    kill_agent,
    crash_agent,
    leave_without_agent,
    upgrade_agent,
    stop_agent_briefly,
    stop_agent_for_long,
    kill_agent_while_it_starts,
    start_second_agent,
    exhaust_descriptors,
    kill_holder,
    stop_holder,
    kill_holder_then_agent,
    kill_holder_and_agent,
    kill_standby,
    stop_holder_and_agent,
    kill_probers,
    kill_workers,
    stop_workers,
    kill_controller,
    stop_controller,
    fill_disk,
    fill_zone,
    jump_clock,
    remount_lazily,
    remount_without_agent,
    freeze_zone,
    burn_cpu,
    storm_opens,
    drop_socket,
)

"""A whole small installation under load: controller, agent, holder, zone; started, hurt, mended.

Rules enforced here:

1. Only processes that were started here are touched, by pid.
2. The zone is a filesystem made for the run; the state lies on a small one of its own, so that
   a full disk is one of the faults.
3. Whatever a run does, :meth:`Site.close` takes the guard off and unmounts.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from load import CLEAN_FILES, DIRTY_FILES

LOCKGATE = str(Path(sys.executable).with_name("lockgate"))
HERE = Path(__file__).resolve().parent
ROLES = ("dirty", "dirty", "fresh", "flip", "linger", "clean")
DEADLINE_S = 20.0
_HOLDER_S = 10.0


class SiteError(Exception):
    """A part did not come back; the text ends with what it complained of."""


def children_named(word: str, run_dir: Path | None = None) -> list[int]:
    """Pids of processes with ``word`` (and ``run_dir``) in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with suppress(OSError):
            words = (entry / "cmdline").read_bytes()
            if word.encode() in words and (run_dir is None or os.fsencode(run_dir) in words):
                found.append(int(entry.name))
    return found


def _is_holder(pid: int) -> bool:
    """Whether a process is a holder or standby, and not what launches one."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1] == b"-m"
    except (OSError, IndexError):
        return False


def parent_of(pid: int) -> int:
    """The parent's pid; 0 when the process is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def name_of(pid: int) -> str:
    """The name of a process; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


class Site:
    """One installation; ``program`` starts the agent, so that a weakened one can stand in."""

    def __init__(self, folder: Path, program: Sequence[str] = (LOCKGATE,)) -> None:
        self.folder = folder
        self.program = list(program)
        self.zone = folder / "zone"
        self.disk = folder / "disk"
        self.state = self.disk / "agent"
        self.run_dir = folder / "run"
        self.results = folder / "results.jsonl"
        self.clock = folder / "clock"
        self.library = folder / "clock.so"
        self.marker = f"LEAK-{secrets.token_hex(16)}"
        self.agent: subprocess.Popen[str] | None = None
        self.controller: subprocess.Popen[str] | None = None
        self.device = ""
        self._ports: dict[str, str] = {}
        self._loads: list[subprocess.Popen[bytes]] = []

    # -- making and unmaking -----------------------------------------------------------------

    def build(self) -> None:
        """Make filesystems, files, controller and identity; nothing is guarded yet."""
        image = self.folder / "zone.img"
        with image.open("wb") as file:
            file.truncate(256 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
        for folder in (self.zone, self.disk):
            folder.mkdir()
        shown = subprocess.run(
            ["losetup", "-f", "--show", image], capture_output=True, text=True, check=True
        )
        self.device = shown.stdout.strip()
        subprocess.run(["mount", "-o", "nosuid,nodev", self.device, self.zone], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "chaos", self.disk], check=True)
        self.set_clock(0)
        source = HERE / "clock.c"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", self.library, source], check=True)
        self._fill()
        controller = self.folder / "controller"
        self._lockgate("controller", "init", "--dir", controller, "--trust-domain", "chaos.test")
        self.start_controller()
        token = self._lockgate("controller", "token", "--dir", controller).strip()
        enrolment = ["--controller", self._ports["enrol"], "--token", token, "--host", "chaos-1"]
        self._lockgate("agent", "enrol", *enrolment, "--state-dir", self.state)
        self._configure()

    def _fill(self) -> None:
        self.template = self.folder / "template"
        self.template.write_bytes(f"{self.marker}\n".encode() + _key() + b"ordinary\n" * 50)
        for number in range(DIRTY_FILES):
            noise = secrets.token_hex(2000).encode()
            content = b"%s\n%s\n%s" % (self.marker.encode(), noise, _key())
            (self.zone / f"dirty-{number}").write_bytes(content)
        for number in range(CLEAN_FILES):
            (self.zone / f"clean-{number}").write_text(secrets.token_hex(1000))

    def _configure(self) -> None:
        (self.folder / "agent.toml").write_text(f"""
host = "chaos-1"
state_dir = "{self.state}"
run_dir = "{self.run_dir}"
metrics_listen = ""
open_deadline_seconds = {DEADLINE_S}

[controller]
address = "{self._ports["grpc"]}"
enrolment_address = "{self._ports["enrol"]}"
spool_bytes = {8 << 20}

[[zones]]
name = "chaos"
path = "{self.zone}"
signing = true
""")

    def close(self) -> None:
        """End everything, whatever state it is in."""
        for load in self._loads:
            with suppress(ProcessLookupError):
                load.kill()
        for pid in [*self.agents(), *self.holders()]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        with suppress(SiteError, subprocess.TimeoutExpired):
            self._lockgate("agent", "disarm", "--run-dir", self.run_dir, "--state-dir", self.state)
        for pid in [*self.agents(), *self.holders()]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.controller is not None:
            self.controller.kill()
            self.controller.wait()
        for folder in (self.zone, self.disk):
            subprocess.run(["umount", "-l", folder], capture_output=True, check=False)
        if self.device:
            subprocess.run(["losetup", "-d", self.device], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- parts -------------------------------------------------------------------------------

    def start_controller(self) -> None:
        """Serve, on the same ports as before."""
        ports = [
            *("--port", self._ports.get("grpc", ":0").rpartition(":")[2]),
            *("--enrol-port", self._ports.get("enrol", ":0").rpartition(":")[2]),
            *("--metrics-port", "0"),
        ]
        command = [LOCKGATE, "controller", "run", "--dir", str(self.folder / "controller"), *ports]
        self.controller, ready = self._start(command, "controller.log", {})
        self._ports = dict(w.split("=", 1) for w in ready.split() if "=" in w)

    def start_agent(self, *, wait: bool = True) -> None:
        """Start an agent, and wait until it is ready."""
        faked = {"LD_PRELOAD": str(self.library), "CHAOS_CLOCK": str(self.clock)}
        command = [*self.program, "agent", "run", "--config", str(self.folder / "agent.toml")]
        self.agent, _ = self._start(command, "agent.log", faked, wait=wait)

    def _start(
        self, command: list[str], log: str, environment: dict[str, str], *, wait: bool = True
    ) -> tuple[subprocess.Popen[str], str]:
        with (self.folder / log).open("a") as errors:
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, **environment},
            )
        assert process.stdout is not None
        if not wait:
            return process, ""
        limit = subprocess.Popen(["sh", "-c", f"sleep 60; kill -KILL {process.pid}"])
        try:
            for line in process.stdout:
                if line.startswith("READY"):
                    return process, line
        finally:
            limit.kill()
            limit.wait()
        process.wait()
        tail = "\n".join((self.folder / log).read_text(errors="replace").splitlines()[-12:])
        raise SiteError(f"{' '.join(command)} did not say READY (exit {process.poll()}):\n{tail}")

    def set_clock(self, seconds: float) -> None:
        """Move the agent's time of day by ``seconds``, in place: it has the file mapped."""
        with self.clock.open("r+b" if self.clock.exists() else "wb") as target:
            target.write(struct.pack("=d", seconds))

    def mend(self) -> None:
        """Bring back what is missing, and wait until the guard is whole."""
        if self.controller is None or self.controller.poll() is not None:
            self.start_controller()
        for _ in range(3):
            if self.agent is not None and self.agent.poll() is None:
                self.wait_for_holder()
                return
            with suppress(SiteError):
                self.start_agent()
        if self.agent is None or self.agent.poll() is not None:
            self.start_agent()

    def wait_for_holder(self) -> None:
        """Wait until the agent has started a holder, which may not be ready yet."""
        end = time.monotonic() + _HOLDER_S
        while time.monotonic() < end and not any(map(_is_holder, self._holding())):
            time.sleep(0.01)

    def _holding(self) -> list[int]:
        return children_named("lockgate.agent.guard.holder", self.run_dir)

    def agents(self) -> list[int]:
        """The agent's pid, in a list that is empty when it is dead."""
        alive = self.agent is not None and self.agent.poll() is None
        return [self.agent.pid] if alive and self.agent else []

    def holders(self, name: str = "lockgate-") -> list[int]:
        """Pids of holder and standby, or of one of them by the ``name`` that ps(1) shows."""
        return [pid for pid in self._holding() if name_of(pid).startswith(name)]

    def probers(self) -> list[int]:
        """Pids of the canary probers of this site."""
        return children_named("lockgate.agent.canary.prober", self.zone)

    def workers(self) -> list[int]:
        """Pids of the agent's scan workers."""
        pids = self.agents()
        return [p for p in children_named("agent.workers.worker") if parent_of(p) in pids]

    def status(self) -> dict[str, object]:
        """What the agent says of itself."""
        said = self._lockgate("agent", "status", "--json", "--run-dir", self.run_dir)
        return dict(json.loads(said))

    def _lockgate(self, *words: object) -> str:
        command = [LOCKGATE, *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise SiteError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    # -- load --------------------------------------------------------------------------------

    def start_load(self, seed: int) -> None:
        """Open, write and read from many processes."""
        environment = {**os.environ, "CHAOS_TEMPLATE": str(self.template)}
        for number, role in enumerate(ROLES):
            arguments = [role, self.zone, self.results, self.marker, seed + number]
            command = [sys.executable, HERE / "load.py", *map(str, arguments)]
            self._loads.append(subprocess.Popen(command, env=environment))

    def end_load(self) -> list[str]:
        """End the load; the roles that had to be killed because they hung."""
        for load in self._loads:
            load.terminate()
        end = time.monotonic() + DEADLINE_S + 5
        hung = []
        for role, load in zip(ROLES, self._loads, strict=False):
            try:
                load.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                load.kill()
                hung.append(role)
        return hung


def _key() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )

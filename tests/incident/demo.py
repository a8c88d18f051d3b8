"""Replay the incident of 2021-2023 with real parts, and show what Lockgate makes of it.

Run by ``make demo``. As root it guards a scratch filesystem of its own; without root it
watches a folder in monitor mode, and says that it cannot block. The exit code is 0 only when
everything that the timeline claims was checked.

Rules enforced here: everything started is ended and everything mounted is unmounted, also
when interrupted; nothing outside a temporary folder is changed.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

import crash
from attempts import ELF_MAGIC, Attempt, carry_out, copy_clean
from parts import Agent, Controller, DidNotStartError, run
from scratch import scratch_filesystem
from timeline import Evidence, UnprovenError, show

LOG_LINE = b"token-service: signed 20 tokens, 0 errors\n"


@dataclass(frozen=True, slots=True)
class Stage:
    """The folders of one replay. ``enforcing``: opens are held; else only watched."""

    work: Path
    zone: Path
    enforcing: bool

    @property
    def public(self) -> Path:
        """The service's public key: all that anyone outside its memory has of the key."""
        return self.work / "service.pem"

    @property
    def token(self) -> Path:
        """The last token the service signed."""
        return self.work / "token"

    @property
    def registry(self) -> Path:
        """The registry of protected keys."""
        return self.work / "protected.toml"


def _say(text: str) -> None:
    print(text, flush=True)


@contextmanager
def _stage() -> Iterator[Stage]:
    work = Path(tempfile.mkdtemp(prefix="lockgate-demo-"))
    work.chmod(0o755)
    try:
        with ExitStack() as stack:
            if os.geteuid() == 0:
                zone, kind = stack.enter_context(scratch_filesystem(work))
                _say(f"zone        {zone} ({kind}, made for this demo)")
                yield Stage(work, zone, enforcing=True)
            else:
                zone = work / "zone"
                zone.mkdir()
                _say(f"zone        {zone}")
                _say(
                    "NOT ROOT    opens can not be held without root: files are scanned, reported,"
                    " recorded and alerted, but nothing is blocked"
                )
                yield Stage(work, zone, enforcing=False)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _crash_in_zone(stage: Stage, name: str, *options: str) -> crash.Crash:
    folder = stage.zone / "crashes" / name
    folder.mkdir(parents=True)
    service = crash.start(folder, stage.public, stage.token, *options)
    return crash.crash(service, folder)


def _replay(stage: Stage, controller: Controller) -> Evidence:
    folder = stage.zone / "crashes" / "signer"
    folder.mkdir(parents=True)
    service = crash.start(folder, stage.public, stage.token)
    _say(f"service     pid {service.pid} signs tokens; its key is in its memory and nowhere else")
    run("registry", "add", str(stage.registry), str(stage.public), "--name", "token-signing")
    _say("registry    its public half is registered as protected key `token-signing`")
    agent = Agent(stage.work / "agent", stage.work, stage.zone, stage.registry)
    agent.enrol(controller)
    with agent.running(controller, enforcing=stage.enforcing):
        _say(f"agent       {agent.ready}")
        core = crash.crash(service, folder)
        _say(f"crash       SIGABRT; core of {core.core.stat().st_size:,} bytes {_told(core)}")
        attempts = list(_attempts(stage, core.core))
        _say("same again  the service without its key is crashed, a log is written")
        passes = list(_passes(stage))
        tried = sum(attempt.tried for attempt in (*attempts, *passes))
        transfers = _settled(controller, tried if stage.enforcing else 3)
    return Evidence(stage.work, stage.public, stage.enforcing, core, attempts, passes, transfers)


def _told(core: crash.Crash) -> str:
    ways = {
        "kernel": "written by the kernel into the zone",
        "gcore": "taken with gcore, since this kernel's core_pattern leads elsewhere",
        "proc-mem": "read from the live process, since core_pattern leads elsewhere and"
        " gcore is not installed",
    }
    return ways[core.way]


def _attempts(stage: Stage, core: Path) -> Iterator[Attempt]:
    outside = stage.work / "outside"
    outside.mkdir()
    if not stage.enforcing:
        return
    attic = stage.zone / "attic"
    attic.mkdir()
    link = attic / "old-core"
    link.hardlink_to(core)
    for attempt in carry_out(core, link, outside):
        _say(f"attempt     {attempt.way}: {_came_of(attempt)}")
        yield attempt


def _came_of(attempt: Attempt) -> str:
    if not attempt.tried:
        return f"not tried, {attempt.message}"
    return "LEAKED" if attempt.arrived else f"refused: {attempt.message}"


def _passes(stage: Stage) -> Iterator[Attempt]:
    keyless = _crash_in_zone(stage, "verifier", "--verify-only")
    log = stage.zone / "service.log"
    log.write_bytes(LOG_LINE * 200)
    if not stage.enforcing:
        return
    for path, mark in ((keyless.core, ELF_MAGIC), (log, LOG_LINE)):
        attempt = copy_clean(path, stage.work / f"passed-{path.name}", mark)
        _say(f"pass        cp {path.name}: {'passed' if attempt.arrived else 'REFUSED'}")
        yield attempt


def _settled(controller: Controller, wanted: int, seconds: float = 30.0) -> list[dict[str, object]]:
    """The recorded transfers, once there are ``wanted`` receipts of them."""
    deadline = time.monotonic() + seconds
    while True:
        rows = controller.read("transfers")
        if sum(len(row["receipts"]) for row in rows) >= wanted or time.monotonic() > deadline:
            return rows
        time.sleep(0.2)


def _interrupted(number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt(signal.Signals(number).name)


def main() -> int:
    """Replay, show, check; 0 when all is as claimed."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    try:
        with _stage() as stage:
            controller = Controller(stage.work / "controller", stage.work)
            controller.prepare()
            with controller.running():
                _say(f"controller  {controller.address} (SQLite, its own CA, mutual TLS)")
                evidence = _replay(stage, controller)
                show(evidence, controller)
    except KeyboardInterrupt:
        print("interrupted; everything was ended and unmounted", file=sys.stderr)
        return 130
    except (UnprovenError, DidNotStartError, RuntimeError, OSError) as fault:
        print(f"demo failed: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Start a real program, wait until it has used its key, and dump it with real tools.

Every program gets a small environment, so that nothing of the builder's own stands in a dump,
and ends with the builder. Core files come from gcore; the kernel's core pattern is not touched.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ENVIRONMENT = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": "/nonexistent"}
_PATIENCE = 60.0


class MissingProgramError(RuntimeError):
    """A program that the corpus needs is not installed."""


class ProducerError(RuntimeError):
    """A producer did not do what it should."""


def require(*programs: str) -> None:
    """Fail loudly where a program is missing.

    Raises:
        MissingProgramError: with the names of those that are.
    """
    missing = [name for name in programs if not shutil.which(name)]
    if missing:
        raise MissingProgramError(f"not installed: {', '.join(missing)}")


def run(*command: str, cwd: Path | None = None, **environment: str) -> bytes:
    """Run a tool to its end; its output.

    Raises:
        ProducerError: it failed; with its last words.
    """
    require(command[0])
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | environment, capture_output=True, check=False
    )
    if done.returncode:
        words = (done.stdout + done.stderr)[-800:].decode(errors="replace")
        raise ProducerError(f"{' '.join(command[:3])}: exit {done.returncode}: {words}")
    return done.stdout


@contextmanager
def started(
    *command: str, folder: Path, until: bytes | None = None, **environment: str
) -> Iterator[int]:
    """The process id of a running program; it is killed, with its children, at the end.

    ``until``: wait for a line that begins so.
    """
    require(command[0])
    log = folder / "program.log"
    with log.open("wb") as words:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=_ENVIRONMENT | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if until else words,
            stderr=words,
            start_new_session=True,
        )
        try:
            if until:
                _wait_for_line(process, until, log)
            yield process.pid
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def _wait_for_line(process: subprocess.Popen[bytes], until: bytes, log: Path) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(until):
            return
    words = log.read_bytes()[-800:].decode(errors="replace")
    raise ProducerError(f"{process.args} ended before it was ready: {words}")


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int) -> None:
    """Return once something listens.

    Raises:
        ProducerError: nothing did in time.
    """
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise ProducerError(f"nothing listens on port {port}")


def children(pid: int) -> list[int]:
    """The direct children of a process."""
    words = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(word) for word in words]


def core(pid: int, target: Path) -> None:
    """A core file of a running process, by gcore; its zero pages become holes."""
    prefix = target.with_name("gcore")
    run("gcore", "-o", str(prefix), str(pid), DEBUGINFOD_URLS="")
    Path(f"{prefix}.{pid}").rename(target)
    run("fallocate", "--dig-holes", str(target))


def heap_dump(pid: int, target: Path) -> None:
    """An HPROF of a running Java process, by jcmd."""
    run("jcmd", str(pid), "GC.heap_dump", str(target))


def heap_snapshot(pid: int, target: Path) -> None:
    """A V8 heap snapshot of a Node process started with ``--heapsnapshot-signal=SIGUSR2``."""
    os.kill(pid, signal.SIGUSR2)
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        found = list(target.parent.glob("*.heapsnapshot"))
        if found and _is_settled(found[0]):
            found[0].rename(target)
            return
        time.sleep(0.1)
    raise ProducerError("no heap snapshot came")


def _is_settled(path: Path) -> bool:
    size = path.stat().st_size
    time.sleep(0.5)
    return (
        size > 0 and path.stat().st_size == size and path.read_bytes()[-2:].strip().endswith(b"}")
    )

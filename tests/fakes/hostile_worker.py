"""A scan worker taken over by a hostile file: it tries what the file says, then reports."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from lockgate.agent.workers.worker import Told, options, start
from lockgate.scan.report import EngineInfo, Report

_LIBC = ctypes.CDLL(None, use_errno=True)
_PTRACE_ATTACH, _PR_SET_DUMPABLE, _IO_URING_SETUP = 16, 4, 425
_PAGE = 4096


def _call(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")


def _fork() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def _execute() -> None:
    os.execv("/bin/true", ["true"])


def _attach() -> None:
    child = os.fork()
    if child == 0:
        signal.pause()
    _call(_LIBC.ptrace(_PTRACE_ATTACH, child, None, None))
    os.kill(child, signal.SIGKILL)


def _read_memory_of_parent() -> None:
    into = ctypes.create_string_buffer(8)
    vector = (ctypes.c_void_p * 2)(ctypes.addressof(into), 8)
    with contextlib.suppress(OSError):
        _call(_LIBC.process_vm_readv(os.getppid(), vector, 1, vector, 1, 0))


#: What an intruder would try, by name. Each ends well, or is refused with an error, in a process
#: that is not confined; in a worker each must kill.
TRIES: Mapping[str, Callable[[int], object]] = {
    "open": lambda _fd: os.open("/etc/hostname", os.O_RDONLY),
    "open-directory": lambda _fd: list(Path("/").iterdir()),
    "create": lambda _fd: os.close(os.open("/tmp/lockgate-g-created", os.O_CREAT | os.O_WRONLY)),
    "reopen": lambda fd: os.open(f"/proc/self/fd/{fd}", os.O_RDONLY),
    "unlink": lambda _fd: Path("/tmp/lockgate-g-created").unlink(),
    "socket": lambda _fd: socket.socket(socket.AF_INET),
    "unix-socket": lambda _fd: socket.socket(socket.AF_UNIX),
    "fork": lambda _fd: _fork(),
    "execute": lambda _fd: _execute(),
    "ptrace": lambda _fd: _attach(),
    "read-memory": lambda _fd: _read_memory_of_parent(),
    "kill": lambda _fd: os.kill(os.getppid(), 0),
    "kill-self": lambda _fd: os.kill(os.getpid(), 0),
    "write": lambda _fd: os.write(2, b"\n"),
    "write-file": lambda fd: os.pwrite(fd, b"x", 0),
    "truncate": lambda fd: os.ftruncate(fd, 0),
    "memory-file": lambda _fd: os.memfd_create("x"),
    "executable-memory": lambda _fd: mmap.mmap(-1, _PAGE, mmap.MAP_PRIVATE | 0x20, 7),
    "shared-memory": lambda _fd: mmap.mmap(-1, _PAGE),
    "map-file": lambda fd: mmap.mmap(fd, 0, mmap.MAP_PRIVATE, mmap.PROT_READ),
    "duplicate": os.dup,
    "dumpable": lambda _fd: _call(_LIBC.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)),
    "user": lambda _fd: os.setresuid(-1, -1, -1),
    "io-uring": lambda _fd: _LIBC.syscall(_IO_URING_SETUP, 1, None),
    "namespace": lambda _fd: _call(_LIBC.unshare(0)),
}


class HostileScanner:
    """Does what the file says, and reports that nothing is wrong with it."""

    def scan_fd(
        self, fd: int, name: str, *, progress: Told | None = None, follow: bool = False
    ) -> Report:
        """Try; also an error would be reported as a clean file."""
        order = os.pread(fd, 64, 0).strip().decode()
        with contextlib.suppress(OSError, ValueError):
            TRIES.get(order, lambda _fd: None)(fd)
        engine = EngineInfo("test", "test", "standard", ("order",))
        return Report(name, "0" * 64, len(order), (), (), len(order), 0.0, engine)


if __name__ == "__main__":
    start(options(sys.argv[1:]), HostileScanner)

"""Crash a real service and get its real core into a folder.

Rules enforced here:

1. The kernel writes the core wherever core_pattern lets it (a plain relative name); nothing
   on the machine is changed for that.
2. Where core_pattern is a pipe, a socket or an absolute path, or cores are limited to zero,
   the core is taken another real way (gcore, else this process reads the live memory through
   /proc/PID/mem, see proc(5)), and the way is told.
3. Nothing of lockgate is imported.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SERVICE = Path(__file__).with_name("token_service.py")


@dataclass(frozen=True, slots=True)
class Crash:
    """A core file and how it came about. ``way`` is ``kernel``, ``gcore`` or ``proc-mem``."""

    core: Path
    way: str
    pid: int


def kernel_can_write() -> bool:
    """True when the kernel itself would put a core into the crashing process's folder."""
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    return bool(pattern) and pattern[0] not in "|@/" and hard != 0


def start(folder: Path, public: Path, token: Path, *options: str) -> subprocess.Popen[str]:
    """Start the token service with ``folder`` as its working folder, ready to serve."""
    command = [sys.executable, str(SERVICE), "--public", str(public), "--token", str(token)]
    service = subprocess.Popen(
        [*command, *options], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert service.stdout is not None
    if service.stdout.readline().strip() != "READY":
        service.kill()
        raise RuntimeError("the token service did not start")
    return service


def crash(service: subprocess.Popen[str], folder: Path) -> Crash:
    """End the service with SIGABRT and return its core in ``folder``, which held none before."""
    if not kernel_can_write():
        return _dump_alive(service, folder)
    before = set(folder.iterdir())
    service.send_signal(signal.SIGABRT)
    service.wait(timeout=60)
    made = [p for p in set(folder.iterdir()) - before if "core" in p.name]
    if len(made) != 1:
        raise RuntimeError(f"the kernel left no core in {folder}")
    return Crash(made[0], "kernel", service.pid)


def _dump_alive(service: subprocess.Popen[str], folder: Path) -> Crash:
    target = folder / f"core.{service.pid}"
    way = "gcore" if shutil.which("gcore") else "proc-mem"
    try:
        if way == "gcore":
            _gcore(service.pid, target)
        else:
            _copy_memory(service.pid, target)
    finally:
        service.send_signal(signal.SIGABRT)
        service.wait(timeout=60)
    return Crash(target, way, service.pid)


def _gcore(pid: int, target: Path) -> None:
    prefix = target.with_suffix("")
    subprocess.run(["gcore", "-o", str(prefix), str(pid)], check=True, capture_output=True)


def _copy_memory(pid: int, target: Path) -> None:
    """Write an ELF core (elf(5), ET_CORE with PT_LOAD only) of a process that is alive."""
    regions = []
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        match = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
        if match:
            regions.append((int(match[1], 16), int(match[2], 16)))
    header_size = 64 + 56 * len(regions)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = ident + struct.pack(
        "<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, len(regions), 0, 0, 0
    )
    offset = (header_size + 4095) & ~4095
    programs, copies = b"", []
    for start_address, end in regions:
        size = end - start_address
        programs += struct.pack("<IIQQQQQQ", 1, 6, offset, start_address, 0, size, size, 4096)
        copies.append((offset, start_address, size))
        offset += size
    with target.open("wb") as out, Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        out.write(header + programs)
        for place, address, size in copies:
            out.seek(place)
            _copy_region(memory.fileno(), address, size, out.fileno(), place)


def _copy_region(memory: int, address: int, size: int, out: int, place: int) -> None:
    for step in range(0, size, 1 << 20):
        try:
            piece = os.pread(memory, min(1 << 20, size - step), address + step)
        except OSError:  # a guard page: it holds nothing
            continue
        os.pwrite(out, piece, place + step)

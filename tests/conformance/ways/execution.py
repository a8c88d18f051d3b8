"""Files that are executed or loaded: the kernel and the loader read them."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import time
from pathlib import Path

from tests.conformance import syscalls
from tests.conformance.way import (
    PATIENCE_S,
    Place,
    in_child,
    output_of,
    read_path,
    run,
    way,
    write_apart,
)

_FAMILY = "execution"


def _with_content(program: str, place: Place) -> None:
    """Make the wanted file an executable with the content at its end, which no loader minds."""
    write_apart(place.file, Path(program).read_bytes() + place.content.body)


def _library(place: Place) -> None:
    """Make the wanted file a shared library that holds the content as ``wanted``."""
    (place.elsewhere / "body").write_bytes(place.content.body)
    source = place.elsewhere / "library.s"
    source.write_text(
        f'.section .rodata\n.globl wanted\nwanted: .incbin "{place.elsewhere}/body"\n'
        ".globl wanted_end\nwanted_end: .byte 0\n"
    )
    run("gcc", "-shared", "-nostdlib", "-o", place.elsewhere / "library.so", source)
    write_apart(place.file, (place.elsewhere / "library.so").read_bytes())


@way("execve as a script that prints itself", _FAMILY)
def script(place: Place) -> bytes:
    return output_of(place.file)


@way("argument of an interpreter", _FAMILY)
def interpreted(place: Place) -> bytes:
    command = [shutil.which("sh") or "/bin/sh", "-v", str(place.file)]
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=PATIENCE_S,
        check=False,
    ).stderr


@way("a binary that reads itself through /proc/self/exe", _FAMILY, writes=True)
def own_executable(place: Place) -> bytes:
    _with_content("/bin/cat", place)
    return output_of(place.file, "/proc/self/exe")


@way("a binary whose executable another process reads", _FAMILY, writes=True)
def others_executable(place: Place) -> bytes:
    _with_content("/bin/sleep", place)
    with subprocess.Popen([place.file, "60"]) as process:
        try:
            return read_path(f"/proc/{process.pid}/exe")
        finally:
            process.kill()


@way("execveat of an O_PATH descriptor", _FAMILY, writes=True)
def by_descriptor(place: Place) -> bytes:
    _with_content("/bin/cat", place)

    def execute() -> bytes:
        reading, writing = os.pipe()
        if os.fork() == 0:
            os.dup2(writing, 1)
            fd = os.open(place.file, os.O_PATH)
            try:
                syscalls.exec_fd(fd, b"cat", b"/proc/self/exe")
            finally:
                os._exit(1)
        os.close(writing)
        with os.fdopen(reading, "rb") as source:
            return source.read()

    return in_child(execute)


@way("dlopen", _FAMILY, writes=True)
def dlopen(place: Place) -> bytes:
    _library(place)

    def load() -> bytes:
        library = ctypes.CDLL(str(place.file))
        first = ctypes.addressof(ctypes.c_char.in_dll(library, "wanted"))
        end = ctypes.addressof(ctypes.c_char.in_dll(library, "wanted_end"))
        return ctypes.string_at(first, end - first)

    return in_child(load)


@way("LD_PRELOAD", _FAMILY, writes=True)
def preload(place: Place) -> bytes:
    _library(place)
    with subprocess.Popen(["sleep", "60"], env={"LD_PRELOAD": str(place.file)}) as process:
        try:
            return _read_mapping(process.pid, str(place.file))
        finally:
            process.kill()


def _read_mapping(pid: int, name: str) -> bytes:
    """Every readable mapping of ``name`` in a process that has just been started.

    It has loaded all it loads when it has libc; before that it may wait for a guard's scan.
    """
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
        if sum(line.endswith("libc.so.6") for line in lines) > 2:
            break
        time.sleep(0.01)
    got = b""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in lines:
            if line.endswith(name) and line.split()[1].startswith("r"):
                first, _, last = line.split()[0].partition("-")
                memory.seek(int(first, 16))
                got += memory.read(int(last, 16) - int(first, 16))
    return got


@way("core dump of a process that runs it", _FAMILY, writes=True)
def dumped(place: Place) -> bytes:
    _library(place)
    command = ["gcore", "-a", "-o", str(place.elsewhere / "core")]
    with subprocess.Popen(["sleep", "60"], env={"LD_PRELOAD": str(place.file)}) as process:
        try:
            _read_mapping(process.pid, str(place.file))
            output = subprocess.DEVNULL
            words = [*command, str(process.pid)]
            subprocess.run(words, stdout=output, timeout=PATIENCE_S, check=False)
        finally:
            process.kill()
    return b"".join(read_path(path) for path in place.elsewhere.glob("core.*"))

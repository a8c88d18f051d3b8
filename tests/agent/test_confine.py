"""A worker that a hostile file has taken over can do nothing but die."""

from __future__ import annotations

import os
import select
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.agent.workers import landlock, seccomp
from lockgate.agent.workers.pool import WorkerPool
from lockgate.agent.workers.settings import WorkerSettings, ZoneWorkers, worker_account
from lockgate.scan.report import GapReason, Outcome, Report

sys.path.insert(0, str(Path(__file__).parents[1] / "fakes"))

from hostile_worker import TRIES

PROGRAM = Path(__file__).parents[1] / "fakes" / "hostile_worker.py"


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    """Hostile workers, confined like all."""
    account = worker_account() if os.geteuid() == 0 else None
    made = WorkerPool(WorkerSettings(program=(str(PROGRAM),), others=ZoneWorkers(account)))
    yield made
    made.close()


def scanned(pool: WorkerPool, path: Path, order: str) -> Report:
    """The report of a file that says ``order``, whose descriptor the worker could write to."""
    path.write_text(order)
    fd = os.open(path, os.O_RDWR)
    pool.submit(1, fd, str(path), 20)
    os.close(fd)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        select.select(pool.filenos(), [], [], 0.5)
        if found := pool.collect():
            return found[0][1]
    raise AssertionError("no report")


def test_a_hostile_worker_that_tries_nothing_can_report(pool: WorkerPool, tmp_path: Path) -> None:
    """What kills is the attempt: a worker that only scans gets its report through."""
    assert scanned(pool, tmp_path / "a", "nothing").outcome is Outcome.CLEAN
    assert pool.missing_confinement() == ()


@pytest.mark.parametrize("order", TRIES)
def test_whatever_a_hostile_worker_tries_kills_it(
    pool: WorkerPool, tmp_path: Path, order: str
) -> None:
    """The attempt ends in a gap, and the file is as it was."""
    report = scanned(pool, tmp_path / "a", order)
    assert [gap.reason for gap in report.gaps] == [GapReason.WORKER_LOST]
    assert (tmp_path / "a").read_text() == order
    assert not Path("/tmp/lockgate-g-created").exists()


@pytest.mark.parametrize("order", sorted(set(TRIES) - {"create", "unlink"}))
def test_the_same_try_kills_nobody_without_confinement(tmp_path: Path, order: str) -> None:
    """The attempts are real: a process that is not confined survives each of them."""
    program = (
        "import contextlib, os, sys; from hostile_worker import TRIES\n"
        "with contextlib.suppress(OSError, ValueError): TRIES[sys.argv[1]](3)"
    )
    file = tmp_path / "file"
    file.write_text(order)
    fd = os.open(file, os.O_RDWR)
    code = f"import os; os.dup2({fd}, 3)\n{program}"
    command = [sys.executable, "-c", code, order]
    done = subprocess.run(
        command, env={"PYTHONPATH": str(PROGRAM.parent)}, pass_fds=(fd,), check=False
    )
    os.close(fd)
    assert done.returncode == 0


CONFINED = """
import os
from lockgate.agent.workers import seccomp
from lockgate.agent.workers.confine import confine_worker
from lockgate.agent.workers.settings import worker_account

seccomp.restrict = lambda: None  # or nothing could be told
own, limits, out = open("/proc/self/status"), open("/proc/self/limits"), os.dup(1)
account = worker_account() if os.geteuid() == 0 else None
print(confine_worker(account, 1 << 28, os.getppid()), file=open(out, "w", closefd=False))
try:
    os.open("/etc/hostname", os.O_RDONLY)
except OSError as error:
    os.write(out, error.strerror.encode() + b"\\n")
os.write(out, (own.read() + limits.read()).encode())
"""


def confined() -> list[str]:
    """What a confined process tells of itself, its system calls left free for the purpose."""
    shown = subprocess.run([sys.executable, "-c", CONFINED], capture_output=True, check=True)
    return shown.stdout.decode().splitlines()


def test_a_confined_process_has_no_right_left() -> None:
    """No capability in any set, no way to gain one, no root, no group, no core, no file."""
    lines = confined()
    fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    sets = ["CapInh", "CapPrm", "CapEff", "CapAmb"] + ["CapBnd"] * (os.geteuid() == 0)
    assert {name: int(fields[name], 16) for name in sets} == dict.fromkeys(sets, 0)
    assert fields["NoNewPrivs"] == "1"
    assert lines[1] in {"Permission denied", "No such file or directory"}
    assert " 0" not in fields["Uid"].replace("\t", " ") or os.geteuid() != 0
    limits = [line.split() for line in lines if line.startswith("Max ")]
    bounds = {" ".join(words[1:-3]): words[-2] for words in limits}
    for kind in ("file size", "core file size", "locked memory"):
        assert bounds[kind] == "0"


def test_a_confined_process_is_alone() -> None:
    """Nothing of the host's namespaces is missing from what a worker gave up here."""
    assert confined()[0] == "()"


def run_filter(code: bytes, number: int, arch: int, arguments: tuple[int, ...]) -> int:
    """What the filter answers, by the rules of classic BPF (linux/filter.h)."""
    data = struct.pack("=IIQ6Q", number, arch, 0, *(arguments + (0,) * 6)[:6])
    steps = list(struct.iter_unpack("=HBBI", code))
    at = accumulator = 0
    while True:
        operation, yes, no, value = steps[at]
        at += 1
        if operation == 0x20:
            accumulator = struct.unpack_from("=I", data, value)[0]
        elif operation == 0x06:
            return int(value)
        else:
            true = {
                0x15: accumulator == value,
                0x35: accumulator >= value,
                0x45: bool(accumulator & value),
            }[operation]
            at += yes if true else no


@given(
    st.sampled_from(sorted(seccomp.ARCHITECTURES)),
    st.integers(0, 600) | st.integers(0, 2**32 - 1),
    st.tuples(
        *[st.sampled_from([0, 1, 4, 0x20, 0x22, 0x24, 0x25]) | st.integers(0, 2**64 - 1)] * 6
    ),
)
def test_the_filter_allows_what_is_listed_and_nothing_else(
    name: str, number: int, arguments: tuple[int, ...]
) -> None:
    """For every call and argument the filter answers as the list says."""
    machine = seccomp.ARCHITECTURES[name]
    names = {value: key for key, value in machine.calls.items()}
    allowed = number in names
    if names.get(number) in {"mmap", "mprotect"}:
        allowed = not arguments[2] & 4
    if names.get(number) == "mmap":
        allowed = allowed and bool(arguments[3] & 0x20) and not arguments[3] & 1
    if names.get(number) == "fcntl":
        # F_OFD_GETLK, or a number that no command of fcntl(2) has.
        allowed = arguments[1] & 0xFFFFFFFF in {0x24, 0x20}
    answer = run_filter(seccomp.program(machine), number, machine.audit, arguments)
    assert answer == (0x7FFF0000 if allowed else 0x80000000)
    assert run_filter(seccomp.program(machine), number, machine.audit ^ 1, arguments) == 0x80000000


def test_both_machines_allow_the_same_calls() -> None:
    """No call is forgotten on one architecture, and no number stands twice."""
    listed = [machine.calls for machine in seccomp.ARCHITECTURES.values()]
    assert {frozenset(calls) for calls in listed} == {frozenset(listed[0])}
    assert all(len(set(calls.values())) == len(calls) for calls in listed)


@pytest.mark.parametrize(
    ("abi", "files", "size"),
    [(1, 13, 8), (2, 14, 8), (3, 15, 8), (4, 15, 16), (5, 16, 16), (6, 16, 24), (9, 16, 24)],
)
def test_landlock_asks_an_older_kernel_for_what_it_knows(abi: int, files: int, size: int) -> None:
    """Each version of the interface is given its own rights in its own layout."""
    wanted = landlock.rights(abi)
    assert wanted.files == (1 << files) - 1
    assert len(wanted.attributes()) == size


def test_a_kernel_without_landlock_is_told() -> None:
    """What is missing is an error for the caller to tell, not silence."""
    program = (
        "import ctypes\n"
        "from lockgate.agent.workers import landlock\n"
        "class Without:\n"
        "    def syscall(self, *_):\n"
        "        ctypes.set_errno(38)\n"
        "        return -1\n"
        "landlock.LIBC = Without()\n"
        "from lockgate.agent.workers.confine import _tried\n"
        "print(landlock.version(), _tried(landlock.restrict, 'Landlock'))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert shown.stdout.decode().startswith("0 ['scan workers run without Landlock")

"""Named readers are let in, and nobody who only looks like one."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from lockgate.agent.config import ReaderSettings
from lockgate.agent.guard import packages, readers
from lockgate.agent.guard.programs import Program, Programs
from lockgate.agent.guard.readers import AllowedReaders, ReaderError, check, matches, name_of
from lockgate.wire.transfer import Zone

from .conftest import wait_until

SLEEP = Path(shutil.which("sleep") or "/bin/sleep").resolve()
DIGEST = hashlib.sha256(SLEEP.read_bytes()).hexdigest()
PROGRAM = Program("/usr/bin/restic", "ab" * 32, "cd" * 16, root=True, device=1, inode=2)
SERVICES = Program("/usr/bin/restic", "ab" * 32, "cd" * 16, root=False, device=1, inode=2)
BY_UNIT = ReaderSettings(unit="backup.service")
BY_DIGEST = ReaderSettings(executable_sha256="AB" * 32)
BY_PACKAGE = ReaderSettings(package="restic")
BY_ALL = ReaderSettings("backup.service", "ab" * 32, "restic")


@pytest.mark.parametrize(
    ("entry", "unit", "program", "admitted"),
    [
        (BY_UNIT, "backup.service", None, True),
        (BY_UNIT, "other.service", PROGRAM, False),
        (BY_UNIT, "", PROGRAM, False),
        (BY_DIGEST, "", PROGRAM, True),
        (BY_DIGEST, "", None, False),
        (BY_DIGEST, "", SERVICES, False),
        (ReaderSettings(executable_sha256="0" * 64), "", PROGRAM, False),
        (BY_PACKAGE, "", PROGRAM, True),
        (BY_PACKAGE, "any.service", SERVICES, False),
        (ReaderSettings(package="other"), "", PROGRAM, False),
        (BY_ALL, "backup.service", SERVICES, True),
        (BY_ALL, "other.service", SERVICES, False),
        (BY_ALL, "backup.service", None, False),
    ],
)
def test_every_field_of_an_entry_must_match(
    entry: ReaderSettings, unit: str, program: Program | None, *, admitted: bool
) -> None:
    """Unit, digest and package are all asked; a user's program counts only inside a unit."""
    assert matches(entry, unit, program, lambda name, _: name == "restic") is admitted


def test_an_entry_is_named_in_receipts() -> None:
    """The name says which fields the entry has."""
    assert name_of(BY_ALL) == "unit=backup.service,executable=abababababab,package=restic"


@contextmanager
def running(
    *command: str | Path, env: dict[str, str] | None = None, stdout: int | None = None
) -> Iterator[int]:
    """A process that sleeps, as the program it was started as."""
    process = subprocess.Popen([*map(str, command)], env=env, stdout=stdout)
    try:
        wait_until(lambda: _state(process.pid) == "S", 20)
        yield process.pid
    finally:
        process.kill()
        process.wait()


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.root
def test_a_roots_program_is_read() -> None:
    """A plain program of root is known by digest, package, and the file itself."""
    with running(SLEEP, "60") as pid:
        program = Programs(()).of(pid)
    assert program is not None
    assert (program.path, program.sha256, program.root) == (str(SLEEP), DIGEST, True)


def sleeping(*prefix: str) -> Sequence[str]:
    """A command that ends in a sleep."""
    return (*prefix, str(SLEEP), "60")


@pytest.mark.root
@pytest.mark.parametrize(
    "prefix",
    [("setpriv", "--ruid", "65534"), ("unshare", "--user", "--map-root-user")],
    ids=["users differ", "a user namespace of its own"],
)
def test_a_process_that_others_may_steer_has_no_program(prefix: tuple[str, ...]) -> None:
    """Users that differ and foreign user namespaces make a digest meaningless."""
    with running(*sleeping(*prefix)) as pid:
        wait_until(lambda: os.path.realpath(f"/proc/{pid}/exe") == str(SLEEP))
        assert Programs(()).of(pid) is None


@pytest.mark.root
def test_a_users_program_is_not_a_roots() -> None:
    """A program that an ordinary user runs is told as such."""
    with running(*sleeping("setpriv", "--reuid", "65534", "--clear-groups")) as pid:
        wait_until(lambda: os.path.realpath(f"/proc/{pid}/exe") == str(SLEEP))
        program = Programs(()).of(pid)
    assert program is not None
    assert not program.root


@pytest.mark.root
def test_a_program_that_others_may_change_is_none(tmp_path: Path) -> None:
    """An executable of a user, or one that others may write, says nothing."""
    own, loose, gone = (Path(shutil.copy(SLEEP, tmp_path / name)) for name in ("a", "b", "c"))
    os.chown(own, 65534, 65534)
    loose.chmod(0o777)
    for path in (own, loose):
        with running(path, "60") as pid:
            assert Programs(()).of(pid) is None
    with running(gone, "60") as pid:
        assert Programs(()).of(pid) is not None
        gone.unlink()
        assert Programs(()).of(pid) is None


@pytest.mark.root
def test_a_process_that_runs_other_code_too_has_no_program(tmp_path: Path) -> None:
    """A preloaded library of a user's, or code in anonymous memory, is code beside the program."""
    source, library = tmp_path / "x.c", tmp_path / "x.so"
    source.write_text("int lockgate_test_symbol;\n")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    os.chown(library, 65534, 65534)
    with running(SLEEP, "60", env={"LD_PRELOAD": str(library)}) as pid:
        assert Programs(()).of(pid) is None
    jit = "import mmap, time; m = mmap.mmap(-1, 4096, prot=7); print('up', flush=True); "
    with running(sys.executable, "-c", f"{jit}time.sleep(60)", stdout=subprocess.PIPE) as pid:
        wait_until(lambda: "rwxs" in Path(f"/proc/{pid}/maps").read_text())
        assert Programs(()).of(pid) is None


@pytest.mark.root
def test_a_traced_process_has_no_program() -> None:
    """Whoever traces a process can make it do anything."""
    with running(SLEEP, "60") as pid:
        tracer = subprocess.Popen(["strace", "-p", str(pid)], stderr=subprocess.DEVNULL)
        try:
            status = Path(f"/proc/{pid}/status")
            wait_until(lambda: f"TracerPid:\t{tracer.pid}" in status.read_text())
            assert Programs(()).of(pid) is None
        finally:
            tracer.kill()
            tracer.wait()


@pytest.mark.root
def test_a_program_on_a_guarded_filesystem_is_never_opened() -> None:
    """Reading it would wait for ourselves."""
    with running(SLEEP, "60") as pid:
        assert Programs({SLEEP.stat().st_dev}).of(pid) is None


def test_a_package_owns_what_it_installed_unchanged(tmp_path: Path) -> None:
    """The list, the digest and the file must agree, for a package of any architecture."""
    status = SLEEP.stat()
    md5 = hashlib.md5(SLEEP.read_bytes(), usedforsecurity=False).hexdigest()
    program = Program(str(SLEEP), DIGEST, md5, True, status.st_dev, status.st_ino)
    other = Program(str(SLEEP), DIGEST, "0" * 32, True, status.st_dev, status.st_ino)
    moved = Program(str(SLEEP), DIGEST, md5, True, status.st_dev, status.st_ino + 1)
    (tmp_path / "a.md5sums").write_text(f"{md5}  {str(SLEEP).lstrip('/')}\n")
    (tmp_path / "b:amd64.md5sums").write_text(f"{md5}  {str(SLEEP).lstrip('/')}\n")

    assert packages.owns("a", program, tmp_path)
    assert packages.owns("b", program, tmp_path)
    assert not packages.owns("a", other, tmp_path)
    assert not packages.owns("a", moved, tmp_path)
    assert not packages.owns("c", program, tmp_path)
    assert not packages.owns("*", program, tmp_path)


def test_a_package_entry_without_a_package_database_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An entry that can never match is an error that names what works instead."""
    monkeypatch.setattr(packages, "is_known", lambda: False)
    with pytest.raises(ReaderError, match="executable_sha256"):
        check([BY_PACKAGE])
    check([BY_UNIT, BY_DIGEST])


@pytest.fixture
def allowed() -> Iterator[AllowedReaders]:
    """Sleepers may read in the zone ``z``."""
    entries = {"z": [ReaderSettings(executable_sha256=DIGEST)], "u": [BY_UNIT], "none": []}
    made = AllowedReaders(entries, ())
    yield made
    made.close()


@pytest.mark.root
def test_an_admitted_reader_is_admitted_by_name(allowed: AllowedReaders) -> None:
    """The entry is named; other zones and other programs are not touched by it."""
    with running(SLEEP, "60") as pid:
        name = f"executable={DIGEST[:12]}"
        wait_until(lambda: allowed.admits(Zone("z"), pid) == name)
        assert allowed.admits(Zone("none"), pid) is None
        assert allowed.admits(Zone("elsewhere"), pid) is None
    assert allowed.admits(Zone("z"), os.getpid()) is None
    assert allowed.admits(Zone("z"), pid) is None


def test_a_unit_is_admitted_by_its_group(
    allowed: AllowedReaders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's own unit counts; one that a user named like it does not."""
    groups = {1: "/system.slice/backup.service", 2: "/user.slice/user@7.service/backup.service"}
    monkeypatch.setattr(readers, "read_cgroup", lambda tid: groups[tid])
    wait_until(lambda: allowed.admits(Zone("u"), 1) == "unit=backup.service")
    assert allowed.admits(Zone("u"), 2) is None


def test_a_look_that_hangs_holds_nobody_up(
    allowed: AllowedReaders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one look does not end, nobody is admitted and nobody waits."""
    letting_go = threading.Event()
    monkeypatch.setattr(readers, "read_cgroup", lambda _: letting_go.wait(60) and "")
    begin = time.monotonic()
    assert [allowed.admits(Zone("u"), 1) for _ in range(50)] == [None] * 50
    assert time.monotonic() - begin < 20
    letting_go.set()

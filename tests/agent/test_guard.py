"""The guard on a real filesystem: what leaves, what does not, and what keeps working."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "fakes"))

from core_patterns import borrowed_core_pattern

from .conftest import CLEAN, DIRTY, PRIVATE, GuardProcess, error_of, wait_until

pytestmark = pytest.mark.root


def _by_cat(path: Path, outside: Path) -> bytes:
    return subprocess.run(["cat", path], capture_output=True, check=False).stdout


def _by_cp(path: Path, outside: Path) -> bytes:
    copy = outside / "copy"
    done = subprocess.run(["cp", path, copy], capture_output=True, check=False)
    return copy.read_bytes() if done.returncode == 0 else b""


def _by_tar(path: Path, outside: Path) -> bytes:
    command = ["tar", "-cf", "-", "-C", path.parent, path.name]
    return subprocess.run(command, capture_output=True, check=False).stdout


def _by_hard_link(path: Path, outside: Path) -> bytes:
    link = path.parent / "another-name"
    os.link(path, link)
    return _by_cat(link, outside)


def _by_rename(path: Path, outside: Path) -> bytes:
    return _by_cat(path.rename(path.parent / "renamed"), outside)


def _by_mv_out(path: Path, outside: Path) -> bytes:
    subprocess.run(["mv", path, outside / "moved"], capture_output=True, check=False)
    moved = outside / "moved"
    return moved.read_bytes() if moved.exists() else b""


def _by_bind_mount(path: Path, outside: Path) -> bytes:
    point = outside / "bind"
    point.mkdir()
    subprocess.run(["mount", "--bind", path.parent, point], check=True)
    try:
        return _by_cat(point / path.name, outside)
    finally:
        subprocess.run(["umount", "-l", point], check=True)


def _by_mount_namespace(path: Path, outside: Path) -> bytes:
    command = ["unshare", "-m", "cat", path]
    return subprocess.run(command, capture_output=True, check=False).stdout


def _by_handle(path: Path, outside: Path) -> bytes:
    libc = ctypes.CDLL(None, use_errno=True)
    handle = ctypes.create_string_buffer(b"\x80\0\0\0", 136)
    mount_id = ctypes.c_int()
    at = -100
    assert libc.name_to_handle_at(at, os.fsencode(path), handle, ctypes.byref(mount_id), 0) == 0
    directory = os.open(path.parent, os.O_RDONLY)
    fd = libc.open_by_handle_at(directory, handle, os.O_RDONLY)
    os.close(directory)
    return _drained(fd) if fd >= 0 else b""


def _by_path_descriptor(path: Path, outside: Path) -> bytes:
    fd = os.open(path, os.O_PATH)
    try:
        return _drained(os.open(f"/proc/self/fd/{fd}", os.O_RDONLY))
    except OSError:
        return b""
    finally:
        os.close(fd)


def _by_sendfile(path: Path, outside: Path) -> bytes:
    left, right = socket.socketpair()
    with left, right:
        try:
            fd = os.open(path, os.O_RDONLY)
        except OSError:
            return b""
        os.sendfile(left.fileno(), fd, 0, 4096)
        os.close(fd)
        return right.recv(4096)


def _by_mmap(path: Path, outside: Path) -> bytes:
    try:
        with path.open("rb") as source:
            return mmap.mmap(source.fileno(), 0, prot=mmap.PROT_READ)[:]
    except OSError:
        return b""


def _by_read_write_open(path: Path, outside: Path) -> bytes:
    try:
        return _drained(os.open(path, os.O_RDWR))
    except OSError:
        return b""


def _drained(fd: int) -> bytes:
    try:
        return os.read(fd, 1 << 16)
    finally:
        os.close(fd)


WAYS: dict[str, Callable[[Path, Path], bytes]] = {
    "cat": _by_cat,
    "cp": _by_cp,
    "tar": _by_tar,
    "hard link": _by_hard_link,
    "rename": _by_rename,
    "mv to another filesystem": _by_mv_out,
    "bind mount": _by_bind_mount,
    "mount namespace": _by_mount_namespace,
    "open_by_handle_at": _by_handle,
    "O_PATH reopened": _by_path_descriptor,
    "sendfile": _by_sendfile,
    "mmap": _by_mmap,
    "O_RDWR": _by_read_write_open,
}


def _leaked(ways: dict[str, Callable[[Path, Path], bytes]], zone: Path, outside: Path) -> set[str]:
    """The ways by which the file of each way's own came out."""
    found = set()
    for number, (name, way) in enumerate(ways.items()):
        place = outside / str(number)
        place.mkdir()
        content = way(zone / str(number) / "file", place)
        if b"bytes" in content or b"ordinary" in content:
            found.add(name)
    return found


def _fill(zone: Path, content: bytes) -> None:
    for number in range(len(WAYS)):
        (zone / str(number)).mkdir()
        (zone / str(number) / "file").write_bytes(content)


def test_every_way_leaks_without_a_guard(scratch: Path, tmp_path: Path) -> None:
    """Each way really carries the bytes out when nobody holds them."""
    _fill(scratch, PRIVATE)

    assert _leaked(WAYS, scratch, tmp_path) == set(WAYS)


def test_no_way_out_for_a_dirty_file(guard: GuardProcess, tmp_path: Path) -> None:
    """A blocked file leaves by none of the ways."""
    _fill(guard.zone, PRIVATE)
    guard.start()

    assert _leaked(WAYS, guard.zone, tmp_path) == set()


def test_every_way_out_for_a_clean_file(guard: GuardProcess, tmp_path: Path) -> None:
    """A clean file leaves by all of the ways."""
    _fill(guard.zone, CLEAN)
    guard.start()

    assert _leaked(WAYS, guard.zone, tmp_path) == set(WAYS)


def test_verdicts_reach_the_opener_as_their_errno(guard: GuardProcess) -> None:
    """BLOCK and QUARANTINE are EPERM, what is unsure or lost its worker is EAGAIN."""
    contents = {"block": PRIVATE, "move": DIRTY, "unsure": b"UNSURE", "lost": b"LOST"}
    for name, content in contents.items():
        (guard.zone / name).write_bytes(content)
    guard.start()

    errors = {name: error_of(guard.zone / name) for name in contents}

    assert errors == {
        "block": errno.EPERM,
        "move": errno.EPERM,
        "unsure": errno.EAGAIN,
        "lost": errno.EAGAIN,
    }


def test_each_denied_attempt_has_a_receipt_with_its_opener(guard: GuardProcess) -> None:
    """Two denied opens by two programs give two receipts that name them."""
    path = guard.zone / "file"
    path.write_bytes(PRIVATE)
    guard.start()
    subprocess.run(["cat", path], capture_output=True, check=False)
    subprocess.run(["head", path], capture_output=True, check=False)
    wait_until(lambda: len(guard.receipts()) == 2)

    assert [
        ("denied", "BLOCK", str(path), "cat"),
        ("denied", "BLOCK", str(path), "head"),
    ] == [
        (r["enforcement"], r["verdict"], r["path"], Path(r["executable"]).name)
        for r in guard.receipts()
    ]


def test_a_reader_beside_a_live_writer_gets_ebusy(guard: GuardProcess) -> None:
    """While a writer has the file open nobody reads it; afterwards the verdict counts."""
    path = guard.zone / "log"
    guard.start()
    with path.open("wb") as writer:
        writer.write(CLEAN)
        writer.flush()
        while_open = error_of(path)

    assert (while_open, error_of(path)) == (errno.EBUSY, 0)


def test_a_writer_beside_a_released_reader_gets_ebusy(guard: GuardProcess) -> None:
    """Nobody writes a file that a reader still has open, also through an inherited descriptor."""
    path = guard.zone / "log"
    path.write_bytes(CLEAN)
    guard.start(writer_wait="0.2")
    with path.open("rb") as reader:
        sleeper = subprocess.Popen(["sleep", "60"], stdin=reader)
        while_open = error_of(path, os.O_WRONLY)
    while_inherited = error_of(path, os.O_WRONLY)
    sleeper.kill()
    sleeper.wait()

    assert (while_open, while_inherited, error_of(path, os.O_WRONLY)) == (
        errno.EBUSY,
        errno.EBUSY,
        0,
    )


def test_a_writer_waits_for_a_short_reader(guard: GuardProcess) -> None:
    """A writer that comes while a reader is about to close waits instead of failing."""
    path = guard.zone / "log"
    path.write_bytes(CLEAN)
    guard.start()
    reader = path.open("rb")
    threading.Timer(0.3, reader.close).start()

    assert error_of(path, os.O_WRONLY | os.O_APPEND) == 0


def test_ordinary_use_keeps_working(guard: GuardProcess) -> None:
    """Shell redirection, appends, editors' renames, rotation, temporary files and gzip work."""
    guard.start()
    script = """
        set -e
        echo x > f; cat f; echo y >> f; cat f; cp f g; cat g; mkdir -p a/b; mv g a/b/g; cat a/b/g
        echo new > .f.tmp; mv .f.tmp f; cat f
        for n in 1 2 3; do echo line >> log; cat log; mv log log.$n; done
        gzip -k f; zcat f.gz; sed -i s/new/old/ f; cat f; : > f; cat f; truncate -s 100 f; wc -c < f
        for n in 1 2 3 4 5; do cat a/b/g; echo $n >> a/b/g; done; cat a/b/g; dd if=f of=h; cat h
    """
    done = subprocess.run(
        ["bash", "-c", script], cwd=guard.zone, capture_output=True, text=True, check=False
    )
    with tempfile.NamedTemporaryFile(dir=guard.zone) as file:
        file.write(b"x")
        file.flush()
        file.seek(0)
        assert file.read() == b"x"

    assert done.returncode == 0, done.stderr


def test_reading_then_writing_at_once_does_not_fail(guard: GuardProcess) -> None:
    """A process that reads, closes and appends without a pause is not refused."""
    path = guard.zone / "counter"
    path.write_bytes(b"0")
    guard.start()
    for _ in range(50):
        path.read_bytes()
        with path.open("ab") as target:
            target.write(b"0")

    assert len(path.read_bytes()) == 51


def test_a_fifo_in_the_zone_hangs_nobody(guard: GuardProcess) -> None:
    """A FIFO carries bytes between processes as before, and the guard goes on."""
    fifo = guard.zone / "fifo"
    os.mkfifo(fifo)
    guard.start()
    writer = subprocess.Popen(["sh", "-c", f"echo through > {fifo}"])
    content = subprocess.run(["cat", fifo], capture_output=True, timeout=30, check=True).stdout
    writer.wait(30)

    assert content == b"through\n"


def test_an_open_past_its_deadline_gets_eagain_and_the_scan_goes_on(guard: GuardProcess) -> None:
    """The opener waits no longer than the deadline; the retry finds the finished report."""
    path = guard.zone / "slow"
    path.write_bytes(CLEAN + b"SLOW")
    guard.start(deadline="0.3")
    begin = time.monotonic()
    first = error_of(path)
    waited = time.monotonic() - begin

    assert first == errno.EAGAIN
    assert 0.25 < waited < 0.9
    wait_until(lambda: error_of(path) == 0)  # no scan of its own ends within its deadline


def test_a_scan_that_never_ends_hangs_nobody(guard: GuardProcess) -> None:
    """Opens of a file whose scan hangs fail by their deadline, and other files are read."""
    for name, content in {"never": b"NEVER", "clean": CLEAN}.items():
        (guard.zone / name).write_bytes(content)
    guard.start(deadline="0.5")

    assert error_of(guard.zone / "never") == errno.EAGAIN
    assert error_of(guard.zone / "clean") == 0


def test_a_file_that_changes_while_it_is_scanned_is_not_allowed(guard: GuardProcess) -> None:
    """A truncate(2) or new owner under the scan makes the report void."""
    path = guard.zone / "slow"
    path.write_bytes(CLEAN + b"SLOW")
    guard.start()
    answered = threading.Event()

    def change() -> None:
        while not answered.wait(0.1):
            path.chmod(path.stat().st_mode ^ 0o044)

    changing = threading.Thread(target=change)
    changing.start()
    error = error_of(path)
    answered.set()
    changing.join()

    assert error == errno.EAGAIN


def test_more_opens_than_the_bound_are_refused_at_once(guard: GuardProcess) -> None:
    """Beyond the bound an open fails at once with EAGAIN instead of waiting."""
    path = guard.zone / "slow"
    path.write_bytes(CLEAN + b"SLOW")
    guard.start(pending="2")
    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(error_of(path))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert sorted(results) == [0, 0, errno.EAGAIN, errno.EAGAIN, errno.EAGAIN]


def test_decisions_that_depend_on_the_opener_are_asked_for_each(guard: GuardProcess) -> None:
    """Three opens of one clean file give three first-time receipts when nothing may be cached."""
    path = guard.zone / "file"
    path.write_bytes(CLEAN)
    guard.start(independent="no")
    errors = [error_of(path) for _ in range(3)]

    assert errors == [0, 0, 0]
    assert guard.enforcements(3) == ["allowed"] * 3


def test_a_core_dump_into_the_zone_is_whole_and_then_denied(guard: GuardProcess) -> None:
    """The kernel writes the dying process's memory; nobody reads what it wrote."""
    guard.start()
    code = "import os,resource; m=b'PRI'+b'VATE key '*9; resource.setrlimit(4,(-1,-1)); os.abort()"
    with borrowed_core_pattern() as kernel:
        kernel.set(f"{guard.zone}/core.%p", kernel.limit())
        crashed = subprocess.run([sys.executable, "-c", code], check=False, cwd=guard.zone)
    (core,) = guard.zone.glob("core.*")

    assert crashed.returncode == -signal.SIGABRT
    assert core.stat().st_size > 1 << 20
    assert error_of(core) == errno.EPERM


def test_quarantined_file_moves_and_its_hard_link_stays_denied(guard: GuardProcess) -> None:
    """The name is gone, the store has the file, and another name of it is refused."""
    path = guard.zone / "key"
    path.write_bytes(DIRTY)
    os.link(path, guard.zone / "other-name")
    guard.start()
    first = error_of(path)
    wait_until(lambda: not path.exists())
    stored = list((guard.zone / ".lockgate/quarantine").iterdir())

    assert (first, error_of(guard.zone / "other-name"), error_of(stored[0])) == (errno.EPERM,) * 3
    assert guard.enforcements(3) == ["quarantined", "denied", "denied"]


def test_a_full_quarantine_still_denies(guard: GuardProcess) -> None:
    """Over the quota the file stays where it is, refused, and the receipt says so."""
    path = guard.zone / "key"
    path.write_bytes(DIRTY)
    guard.start(quota="0")

    assert (error_of(path), path.exists()) == (errno.EPERM, True)
    assert guard.enforcements(1) == ["quarantine-failed"]


def test_a_writer_after_the_verdict_voids_it(guard: GuardProcess) -> None:
    """A file judged clean and then made secret is judged again."""
    path = guard.zone / "file"
    path.write_bytes(CLEAN)
    guard.start()
    before = error_of(path)
    path.write_bytes(PRIVATE)

    assert (before, error_of(path)) == (0, errno.EPERM)


def test_a_store_through_a_mapping_is_seen(guard: GuardProcess) -> None:
    """A mapping writer whose descriptor is closed keeps readers out until it is gone."""
    path = guard.zone / "file"
    path.write_bytes(CLEAN)
    guard.start()
    with path.open("r+b") as writer:
        mapping = mmap.mmap(writer.fileno(), 0)
    mapping[: len(b"PRIVATE key bytes")] = b"PRIVATE key bytes"
    while_mapped = error_of(path)
    mapping.close()

    assert (while_mapped, error_of(path)) == (errno.EBUSY, errno.EPERM)


def test_a_racing_writer_never_leaks(guard: GuardProcess) -> None:
    """Readers race a writer that flips clean and secret: no reader ever sees the secret."""
    path = guard.zone / "file"
    path.write_bytes(CLEAN)
    guard.start(writer_wait="0.05")
    end = time.monotonic() + 2.0
    seen: list[bytes] = []

    def read() -> None:
        while time.monotonic() < end:
            try:
                seen.append(_drained(os.open(path, os.O_RDONLY))[:7])
            except OSError:
                continue

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    turn = 0
    while time.monotonic() < end:
        turn += 1
        try:
            path.write_bytes(PRIVATE if turn % 2 else CLEAN)
        except OSError:
            continue
    for reader in readers:
        reader.join()

    assert PRIVATE[:7] not in seen


def test_the_snapshot_tells_counts_and_state(guard: GuardProcess) -> None:
    """A guard that was stopped properly has counted what it did."""
    (guard.zone / "file").write_bytes(CLEAN)
    guard.start()
    for _ in range(3):
        error_of(guard.zone / "file")
    guard.signal(signal.SIGTERM)
    guard.wait()
    snapshot = guard.snapshot()

    assert snapshot["state"] == "enforcing"
    assert snapshot["counts"] == {"allowed": 1, "passed": 2}


def test_tools_are_there() -> None:
    """The ways out that are programs exist on this machine."""
    assert all(shutil.which(tool) for tool in ("cat", "cp", "tar", "mv", "unshare", "gzip"))

"""A file that cannot be read where it is has a judged copy, and a growing one can be followed."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .conftest import LOCKGATE, Host

pytestmark = pytest.mark.root

LINES = b"".join(b"an ordinary line %d\n" % n for n in range(2000))


def a_key() -> bytes:
    """A private key as text."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def error_of(path: Path) -> int:
    """The errno of one open; 0 when it succeeds."""
    try:
        os.close(os.open(path, os.O_RDONLY))
    except OSError as error:
        return error.errno or -1
    return 0


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until ``condition()`` is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.05)


@contextmanager
def being_written(path: Path, content: bytes) -> Iterator[int]:
    """A file that a process has open to append."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(fd, content)
        yield fd
    finally:
        os.close(fd)


def test_a_live_file_has_a_copy(host: Host, place: Path) -> None:
    """What is busy where it is comes out judged, and the receipt says so."""
    path, to = place / "live.log", host.outside / "copy"
    with being_written(path, LINES):
        assert error_of(path) == errno.EBUSY
        done = host.release(path, "--to", to, "--json")
        assert done.returncode == 0, done.stderr
        assert to.read_bytes() == LINES
        said = json.loads(done.stdout)
        assert (said["verdict"], said["copied"]) == ("ALLOW", True)
        assert host.release(path).stdout == LINES
        assert error_of(path) == errno.EBUSY


def test_a_live_file_with_a_key_has_none(host: Host, place: Path) -> None:
    """Not a byte comes out, and the command says why."""
    path, to = place / "live.log", host.outside / "none"
    with being_written(path, LINES + a_key() + LINES):
        done = host.release(path, "--to", to)
        assert done.returncode == 1
        assert b"BLOCK" in done.stderr
        assert host.release(path).stdout == b""
    assert not to.exists()


def test_a_file_at_rest_is_simply_read(host: Host, place: Path) -> None:
    """A judged file needs no copy; one that is not there is the usual error."""
    path = place / "at-rest"
    path.write_bytes(LINES)
    host.sh(f"cat {path} >/dev/null")
    assert host.release(path).stdout == LINES
    missing = host.release(place / "missing")
    assert missing.returncode == 1
    assert b"No such file" in missing.stderr


def test_the_permissions_of_the_file_hold(host: Host, place: Path) -> None:
    """A user gets what the file's permissions give, and no more."""
    mine, secret = place / "mine.log", place / "secret.log"
    place.chmod(0o755)
    user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    with being_written(mine, LINES), being_written(secret, LINES) as fd:
        os.fchmod(fd, 0o600)
        for path, code in ((mine, 0), (secret, 1)):
            command = [*user, LOCKGATE, "agent", "release", str(path), *host.run_dir]
            done = subprocess.run(command, capture_output=True, timeout=60, check=False)
            assert done.returncode == code, done.stderr
            assert (done.stdout == LINES) is (code == 0)
    refused = [*user, LOCKGATE, "agent", "status", *host.run_dir]
    assert subprocess.run(refused, capture_output=True, check=False).stdout.count(b"pid") == 0


def test_nobody_elses_open_is_for_the_desk(host: Host, place: Path) -> None:
    """While a process is known at the desk, another's open is refused as ever."""
    path = place / "live.log"
    program = (
        "import sys, os; from pathlib import Path\n"
        "from lockgate.agent.release.client import DeskLine\n"
        "desk = DeskLine(Path(sys.argv[1])); desk._exchange({})\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    try: os.open(sys.argv[2], os.O_RDONLY); os._exit(0)\n"
        "    except OSError as e: os._exit(e.errno)\n"
        "code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n"
        "print(code, desk._exchange({'errno': code}).get('taken'))\n"
    )
    with being_written(path, LINES):
        command = [sys.executable, "-c", program, host.run_dir[1], str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == [str(errno.EBUSY), "False"], done.stderr


@contextmanager
def following(host: Host, path: Path, to: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A follower that looks often."""
    words = ["--follow", "--to", str(to), "--interval", "0.1", *host.run_dir]
    command = [LOCKGATE, "agent", "release", str(path), *words]
    follower = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        yield follower
    finally:
        if follower.poll() is None:
            follower.send_signal(signal.SIGINT)
        follower.communicate(timeout=30)


def has(to: Path, content: bytes) -> Callable[[], bool]:
    """Whether exactly this came out."""
    return lambda: to.exists() and to.read_bytes() == content


def test_a_live_log_is_followed(host: Host, place: Path) -> None:
    """Every line comes out once: as it grows, over rotation, truncation, and a new follower."""
    path, to = place / "live.log", host.outside / "followed"
    first, second, third = (b"%s line\n" % word for word in (b"first", b"second", b"third"))
    with following(host, path, to):
        with being_written(path, LINES) as fd:
            wait_until(has(to, LINES))
            os.write(fd, first + b"half a ")
            wait_until(has(to, LINES + first))
            os.write(fd, b"line\n")
            expected = LINES + first + b"half a line\n"
            wait_until(has(to, expected))
            path.rename(place / "live.log.1")
            os.write(fd, second)
        with being_written(path, third) as fd:
            expected += second + third
            wait_until(has(to, expected))
            os.ftruncate(fd, 0)
            time.sleep(3)  # a follower that never looks at the short file cannot know of it
            os.write(fd, first)
            expected += first
            wait_until(has(to, expected))
            after = second * 3
            os.write(fd, after)
            expected += after
            wait_until(has(to, expected))
    with being_written(path, third), following(host, path, to):
        wait_until(has(to, expected + third))


def test_what_may_be_a_key_waits_for_its_end(host: Host, place: Path) -> None:
    """A key that is written slowly stops the follower before its first byte comes out."""
    path, to = place / "live.log", host.outside / "waits"
    key = a_key().splitlines(keepends=True)
    with being_written(path, LINES) as fd, following(host, path, to) as follower:
        wait_until(has(to, LINES))
        for line in key[:-1]:
            os.write(fd, line)
            time.sleep(0.3)
        os.write(fd, key[-1])
        assert follower.wait(30) == 1
        assert to.read_bytes() == LINES


def test_a_follower_outlives_the_agent(host: Host, place: Path) -> None:
    """The agent is killed and another comes: what was written meanwhile comes out, once."""
    path, to = place / "live.log", host.outside / "outlives"
    with being_written(path, LINES) as fd, following(host, path, to) as follower:
        wait_until(has(to, LINES))
        host.kill()
        os.write(fd, b"while nobody looked\n")
        time.sleep(0.5)
        assert to.read_bytes() == LINES
        host.start()
        wait_until(has(to, LINES + b"while nobody looked\n"))
        assert follower.poll() is None

"""Openers are read as they are, race-free, and with nothing that their user can forge."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.agent.guard import opener as subject
from lockgate.agent.guard import ssh
from lockgate.agent.guard.opener import frozen_opener, path_of, read_opener, start_ticks
from lockgate.wire.transfer import Opener

from .conftest import wait_until


def test_an_opener_is_described() -> None:
    """This process is read with its program, command, user, start and parents."""
    opener = read_opener(os.getpid())

    assert (opener.pid, opener.uid, opener.gid) == (os.getpid(), os.getuid(), os.getgid())
    assert opener.executable == os.path.realpath(sys.executable)
    assert "pytest" in opener.command
    assert opener.start_ticks == start_ticks(os.getpid())
    assert opener.parents[0] == os.path.realpath(f"/proc/{os.getppid()}/exe")
    assert len(opener.parents) <= 8


def test_a_process_that_is_gone_is_described_by_its_pid_alone() -> None:
    """What cannot be read is absent."""
    gone = subprocess.Popen(["true"])
    gone.wait()

    assert read_opener(gone.pid) == Opener(pid=gone.pid)


def test_parents_are_nearest_first() -> None:
    """A chain of shells shows in order, with the program that asked next to it."""
    chain = ["sh", "-c", f"{sys.executable} -c 'import time; time.sleep(60)'; true"]
    with subprocess.Popen(chain) as shell:
        wait_until(lambda: bool(_children(shell.pid)))
        (child,) = _children(shell.pid)
        try:
            wait_until(lambda: read_opener(child).executable == os.path.realpath(sys.executable))
            parents = read_opener(child).parents
        finally:
            os.kill(child, 9)
    assert Path(parents[0]).name in {"sh", "dash", "bash", "busybox"}
    assert parents[1] == os.path.realpath(sys.executable)


def _children(pid: int) -> list[int]:
    return [int(w) for w in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.root
def test_a_thread_that_stays_is_believed() -> None:
    """A thread held in one call is described whole."""
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        try:
            wait_until(lambda: frozen_opener(sleeper.pid).executable.endswith("sleep"))
            assert frozen_opener(sleeper.pid) == read_opener(sleeper.pid)
        finally:
            sleeper.kill()


@pytest.mark.root
def test_a_thread_that_went_on_is_known_by_its_number_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When the thread left its call while it was read, nothing read is believed."""
    gate_read, gate_write = os.pipe()
    done = threading.Event()
    tids: list[int] = []

    def wait_then_idle() -> None:
        tids.append(threading.get_native_id())
        os.read(gate_read, 1)
        done.wait(30)

    def read_while_it_leaves(tid: int) -> Opener:
        found = read_opener(tid)
        os.write(gate_write, b".")
        wait_until(lambda: not subject.held_call(tid).startswith("0 "))
        return found

    thread = threading.Thread(target=wait_then_idle)
    thread.start()
    try:
        wait_until(lambda: bool(tids) and subject.held_call(tids[0]).startswith("0 "))
        monkeypatch.setattr(subject, "read_opener", read_while_it_leaves)
        assert frozen_opener(tids[0]) == Opener(pid=tids[0])
    finally:
        done.set()
        thread.join()
        os.close(gate_read)
        os.close(gate_write)


def test_a_name_that_could_mislead_is_escaped(tmp_path: Path) -> None:
    """Control characters of a path become escapes."""
    path = tmp_path / "two\nlines"
    fd = os.open(path, os.O_CREAT | os.O_RDWR)
    try:
        assert path_of(fd).endswith("two\\x0alines")
    finally:
        os.close(fd)


TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt uid time inode
   0: 0100007F:0016 0200000A:D431 01 00000000:00000000 02:000A 00000000     0        0 4242 2 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:0000 00000000     0        0 4243 1 0
   2: 0100007F:0016 nonsense 01 00000000:00000000 00:0000 00000000     0        0 4244 1 0
"""
TCP6 = """ sl
   0: {0}:0016 {0}:D431 01 00000000:00000000 02:000A 00000000 0 0 77 2 0
   1: {1}:0016 {1}:0017 01 00000000:00000000 02:000A 00000000 0 0 78 2 0
""".format("B80D0120000000000000000001000000", "0000000000000000FFFF00000100007F")


@pytest.mark.skipif(sys.byteorder != "little", reason="the table is of a little-endian machine")
def test_only_established_connections_have_a_far_end() -> None:
    """A listener has none, a damaged line none, and a mapped address is shown as IPv4."""
    assert ssh.parse_connections(TCP) == {"4242": "10.0.0.2:54321"}
    assert ssh.parse_connections(TCP6) == {"77": "[2001:db8::1]:54321", "78": "127.0.0.1:23"}


@given(st.text(max_size=200))
def test_no_table_of_connections_raises(text: str) -> None:
    """Whatever stands there, the answer is a table."""
    assert isinstance(ssh.parse_connections(text), dict)


@pytest.mark.parametrize(
    ("executable", "uids", "is_one"),
    [
        ("/usr/sbin/sshd", (0, 0, 0, 0), True),
        ("/usr/lib/openssh/sshd-session", (0, 0, 0, 0), True),
        ("/home/eve/sshd", (1000, 1000, 1000, 1000), False),
        ("/home/eve/sshd", (1000, 0, 0, 0), False),
        ("/usr/bin/bash", (0, 0, 0, 0), False),
        ("/usr/sbin/sshd", (), False),
    ],
)
def test_only_a_roots_sshd_is_believed(
    executable: str, uids: tuple[int, ...], *, is_one: bool
) -> None:
    """A program of that name that a user started tells nothing."""
    assert ssh.is_sshd(executable, uids) is is_one


@dataclass(frozen=True, slots=True)
class SshServer:
    """An sshd on the loopback and the client's command line."""

    client: tuple[str, ...]
    port: int


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[SshServer]:
    """A real sshd with keys of its own."""
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name]
        subprocess.run(command, check=True)
    keys = tmp_path / "authorized"
    shutil.copy(tmp_path / "user.pub", keys)
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    options = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": tmp_path / "host",
        "AuthorizedKeysFile": keys,
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "PermitRootLogin": "yes",
    }
    words = [w for key, value in options.items() for w in ("-o", f"{key}={value}")]
    server = subprocess.Popen(["/usr/sbin/sshd", "-D", "-f", "/dev/null", *words])
    settings = {"StrictHostKeyChecking": "no", "UserKnownHostsFile": "/dev/null"}
    client = ["ssh", "-q", "-i", str(tmp_path / "user"), "-p", str(port)]
    client += [w for key, value in settings.items() for w in ("-o", f"{key}={value}")]
    try:
        wait_until(lambda: _listens(port))
        yield SshServer((*client, f"{getpass.getuser()}@127.0.0.1"), port)
    finally:
        server.kill()
        server.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.root
def test_the_ssh_peer_is_the_connections_far_end(sshd: SshServer) -> None:
    """The address comes from sshd's own socket, whatever the process's environment says."""
    command = "export SSH_CONNECTION='6.6.6.6 1 7.7.7.7 2'; echo $$; exec cat"
    pipe = subprocess.PIPE
    with subprocess.Popen([*sshd.client, command], stdin=pipe, stdout=pipe, text=True) as client:
        assert client.stdout
        pid = int(client.stdout.readline())
        connection = ssh.connections_of(client.pid)
        peer = read_opener(pid).ssh_peer
        inodes = ssh.sockets_of(client.pid)
        assert client.stdin
        client.stdin.close()
    assert peer.startswith("127.0.0.1:")
    assert peer != f"127.0.0.1:{sshd.port}"
    assert f"127.0.0.1:{sshd.port}" in {connection.get(inode) for inode in inodes}


def test_without_ssh_there_is_no_peer() -> None:
    """A process that no sshd started has no far end."""
    assert read_opener(os.getpid()).ssh_peer == ""

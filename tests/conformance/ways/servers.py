"""Servers on the loopback that hand the zone's files to others."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.conformance.way import (
    PATIENCE_S,
    Place,
    Scope,
    Steps,
    output_of,
    read_path,
    run,
    way,
    write_apart,
)

_FAMILY = "servers"
_HOST = "127.0.0.1"
_START_S = 15.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def _serving(command: Sequence[str | Path], port: int) -> Iterator[None]:
    """A server, once it listens."""
    with subprocess.Popen([str(word) for word in command]) as server:
        try:
            _wait_for(port, server)
            yield
        finally:
            server.kill()


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _START_S
    while True:
        try:
            socket.create_connection((_HOST, port), 1).close()
            return
        except OSError:
            if time.monotonic() > end or server.poll() is not None:
                raise TimeoutError("the server did not listen") from None
        time.sleep(0.02)


def _fetch(port: int, path: str) -> bytes:
    return output_of("curl", "-s", f"http://{_HOST}:{port}{path}")


# -- web servers -----------------------------------------------------------------------------


@way("python http.server", _FAMILY)
def http_server(place: Place) -> bytes:
    port = _free_port()
    words = (sys.executable, "-I", "-m", "http.server", "-b", _HOST, "-d", place.zone, str(port))
    with _serving(words, port):
        return _fetch(port, "/wanted")


def _nginx(place: Place, port: int, *directives: str) -> tuple[str, ...]:
    folder = place.elsewhere / "nginx"
    folder.mkdir()
    settings = folder / "nginx.conf"
    settings.write_text(
        f"daemon off; user root; worker_processes 1; pid {folder}/pid; error_log stderr;\n"
        "events { worker_connections 64; }\n"
        f"http {{ access_log off; server {{ listen {_HOST}:{port}; root {place.zone};\n"
        + "".join(f"{directive};\n" for directive in directives)
        + "} }\n"
    )
    return ("nginx", "-p", str(folder), "-c", str(settings))


def _through_nginx(place: Place, *directives: str) -> bytes:
    port = _free_port()
    with _serving(_nginx(place, port, *directives), port):
        return _fetch(port, "/wanted")


@way("nginx with sendfile", _FAMILY)
def nginx_sendfile(place: Place) -> bytes:
    return _through_nginx(place, "sendfile on")


@way("nginx with aio threads", _FAMILY)
def nginx_threads(place: Place) -> bytes:
    return _through_nginx(place, "sendfile off", "aio threads")


@way("nginx with directio", _FAMILY)
def nginx_direct(place: Place) -> bytes:
    return _through_nginx(place, "sendfile off", "aio threads", "directio 512")


@way("nginx with open_file_cache", _FAMILY)
def nginx_cache(place: Place) -> bytes:
    return _through_nginx(place, "sendfile on", "open_file_cache max=10 inactive=60s")


@way("nginx started before, nothing fetched yet", _FAMILY, scope=Scope.BEFORE)
def nginx_before(place: Place) -> Steps:
    port = _free_port()
    with _serving(_nginx(place, port, "sendfile on", "open_file_cache max=10"), port):
        yield
        return _fetch(port, "/wanted")


@way(
    "nginx open_file_cache warmed before",
    _FAMILY,
    scope=Scope.NOT_PROMISED,
    reason="its descriptor is older than the mark",
)
def nginx_warm(place: Place) -> Steps:
    port = _free_port()
    cached = "open_file_cache max=10 inactive=60s", "open_file_cache_valid 60s"
    with _serving(_nginx(place, port, "sendfile on", *cached), port):
        _fetch(port, "/wanted")
        yield
        return _fetch(port, "/wanted")


@way("busybox httpd", _FAMILY)
def busybox_http(place: Place) -> bytes:
    port = _free_port()
    with _serving(("busybox", "httpd", "-f", "-p", f"{_HOST}:{port}", "-h", place.zone), port):
        return _fetch(port, "/wanted")


@way("socat TCP server", _FAMILY)
def socat(place: Place) -> bytes:
    port = _free_port()
    listen = f"TCP-LISTEN:{port},bind={_HOST},reuseaddr,fork"
    with _serving(("socat", "-U", listen, f"FILE:{place.file}"), port):
        return output_of("socat", "-u", f"TCP:{_HOST}:{port}", "STDOUT")


# -- ssh and rsync ---------------------------------------------------------------------------


@contextmanager
def _ssh(place: Place) -> Iterator[tuple[str, ...]]:
    """An ssh server; the options with which a client reaches it."""
    folder = place.elsewhere / "ssh"
    folder.mkdir(mode=0o700)
    for name in ("host", "user"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name)
    keys = folder / "authorized_keys"
    shutil.copy(folder / "user.pub", keys)
    port = _free_port()
    settings = {
        "ListenAddress": f"{_HOST}:{port}",
        "HostKey": folder / "host",
        "AuthorizedKeysFile": keys,
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "PermitRootLogin": "yes",
        "Subsystem": "sftp internal-sftp",
    }
    (folder / "config").write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    options = {
        "Port": port,
        "IdentityFile": folder / "user",
        "UserKnownHostsFile": os.devnull,
        "StrictHostKeyChecking": "no",
        "BatchMode": "yes",
        "LogLevel": "ERROR",
    }
    with _serving((_sshd(), "-D", "-e", "-f", folder / "config"), port):
        yield tuple(f"-o{key}={value}" for key, value in options.items())


def _sshd() -> str:
    return shutil.which("sshd") or "/usr/sbin/sshd"


def _login() -> str:
    return f"{pwd.getpwuid(os.getuid()).pw_name}@{_HOST}"


@way("ssh cat", _FAMILY)
def ssh_cat(place: Place) -> bytes:
    with _ssh(place) as options:
        return output_of("ssh", "-F", "none", *options, _login(), f"cat '{place.file}'")


@way("scp (sftp protocol)", _FAMILY)
def scp(place: Place) -> bytes:
    return _scp(place)


@way("scp -O (old protocol)", _FAMILY)
def scp_old(place: Place) -> bytes:
    return _scp(place, "-O")


def _scp(place: Place, *more: str) -> bytes:
    out = place.elsewhere / "out"
    with _ssh(place) as options:
        output_of("scp", "-F", "none", "-q", *more, *options, f"{_login()}:{place.file}", out)
    return read_path(out)


@way("sftp get", _FAMILY)
def sftp(place: Place) -> bytes:
    out = place.elsewhere / "out"
    order = f"get {place.file} {out}\n".encode()
    with _ssh(place) as options:
        output_of("sftp", "-F", "none", "-q", *options, "-b-", _login(), give=order)
    return read_path(out)


@way("rsync over ssh", _FAMILY)
def rsync_ssh(place: Place) -> bytes:
    out = place.elsewhere / "out"
    with _ssh(place) as options:
        shell = " ".join(("ssh", "-F", "none", *options))
        output_of("rsync", "-e", shell, f"{_login()}:{place.file}", out)
    return read_path(out)


@way("rsync daemon", _FAMILY)
def rsync_daemon(place: Place) -> bytes:
    port, settings = _free_port(), place.elsewhere / "rsyncd.conf"
    settings.write_text(
        f"uid = root\ngid = root\nuse chroot = no\npid file = {place.elsewhere}/pid\n"
        f"[zone]\npath = {place.zone}\n"
    )
    out = place.elsewhere / "out"
    words = ("rsync", "--daemon", "--no-detach", f"--config={settings}")
    with _serving((*words, f"--address={_HOST}", f"--port={port}"), port):
        output_of("rsync", f"rsync://{_HOST}:{port}/zone/wanted", out)
    return read_path(out)


@way("git add and git show", _FAMILY, writes=True)
def git(place: Place) -> bytes:
    """A working tree in the zone is committed by one and cloned by another."""
    _git_init(place)
    place.write_file()
    name = ("-c", "user.name=x", "-c", "user.email=x@localhost")
    output_of("git", "add", "wanted", cwd=place.zone)
    output_of("git", *name, "commit", "-q", "-m", "x", cwd=place.zone)
    return output_of("git", "show", "HEAD:wanted", cwd=place.zone)


def _git_init(place: Place) -> None:
    """Make a repository; a file that was just written may be busy for a moment."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            return run("git", "init", "-q", place.zone)
        except subprocess.CalledProcessError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


# -- NFS -------------------------------------------------------------------------------------


@way("NFS by ganesha, read by libnfs", _FAMILY, on=("ext4", "xfs"), reason="its VFS layer's own")
def nfs(place: Place) -> bytes:
    port = _free_port()
    settings = place.elsewhere / "ganesha.conf"
    settings.write_text(
        f"NFS_CORE_PARAM {{ NFS_Port = {port}; Bind_addr = {_HOST}; Protocols = 4;"
        " Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false; }\n"
        "NFSv4 { Graceless = true; RecoveryBackend = fs; "
        f"RecoveryRoot = {place.elsewhere}; }}\n"
        f"EXPORT {{ Export_Id = 1; Path = {place.mount_point}; Pseudo = /zone;"
        " Access_Type = RO; Squash = None; SecType = sys; Protocols = 4;"
        " FSAL { Name = VFS; } }\n"
    )
    words = ("ganesha.nfsd", "-F", "-L", place.elsewhere / "log", "-f", settings)
    ready = write_apart(place.zone / "ready", place.innocent.body)
    with _serving((*words, "-p", place.elsewhere / "pid"), port):
        end = time.monotonic() + PATIENCE_S
        while not _nfs_cat(place, port, ready) and time.monotonic() < end:
            time.sleep(0.1)
        return _nfs_cat(place, port, place.file)


def _nfs_cat(place: Place, port: int, file: Path) -> bytes:
    name = file.relative_to(place.mount_point)
    return output_of("nfs-cat", f"nfs://{_HOST}/zone/{name}?version=4&nfsport={port}")

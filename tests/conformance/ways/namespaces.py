"""Other mount, user and process namespaces, made before and after the guard."""

from __future__ import annotations

import os
import subprocess

from tests.conformance import syscalls
from tests.conformance.way import (
    Place,
    Scope,
    Steps,
    in_child,
    output_of,
    read_path,
    run,
    way,
)

_FAMILY = "namespaces"
_UNPRIVILEGED = 65534


@way("unshare -m", _FAMILY)
def mount_namespace(place: Place) -> bytes:
    return output_of("unshare", "-m", "cat", place.file)


@way("unshare -m -p -f --mount-proc", _FAMILY)
def process_namespace(place: Place) -> bytes:
    return output_of("unshare", "-m", "-p", "-f", "--mount-proc", "cat", place.file)


@way("unshare -n -i -u -C", _FAMILY)
def other_namespaces(place: Place) -> bytes:
    return output_of("unshare", "-n", "-i", "-u", "-C", "cat", place.file)


@way("mount namespace made before", _FAMILY, scope=Scope.BEFORE)
def mount_namespace_before(place: Place) -> Steps:
    syscalls.unshare(syscalls.CLONE_NEWNS)
    yield
    return read_path(place.file)


@way("mount namespace made before, entered after", _FAMILY, scope=Scope.BEFORE)
def entered(place: Place) -> Steps:
    with subprocess.Popen(["unshare", "-m", "sleep", "infinity"]) as process:
        try:
            yield
            return output_of("nsenter", f"--mount=/proc/{process.pid}/ns/mnt", "cat", place.file)
        finally:
            process.kill()


@way("unshare -Urm as an unprivileged user", _FAMILY)
def user_namespace(place: Place) -> bytes:
    place.file.chmod(0o644)
    point = place.elsewhere / "point"
    point.mkdir()
    point.chmod(0o777)
    script = f"mount --bind '{place.zone}' '{point}' && cat '{point}/wanted'"

    def read() -> bytes:
        os.setresgid(_UNPRIVILEGED, _UNPRIVILEGED, _UNPRIVILEGED)
        os.setresuid(_UNPRIVILEGED, _UNPRIVILEGED, _UNPRIVILEGED)
        return output_of("unshare", "-Urm", "sh", "-c", script)

    return in_child(read)


@way("user namespace made before", _FAMILY, scope=Scope.BEFORE)
def user_namespace_before(place: Place) -> Steps:
    place.file.chmod(0o644)
    os.setresgid(_UNPRIVILEGED, _UNPRIVILEGED, _UNPRIVILEGED)
    os.setresuid(_UNPRIVILEGED, _UNPRIVILEGED, _UNPRIVILEGED)
    syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS)
    yield
    return read_path(place.file)


@way("the filesystem unmounted and lazily mounted in a namespace of its own", _FAMILY)
def lazily(place: Place) -> bytes:
    def read() -> bytes:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        directory = os.open(place.zone, os.O_RDONLY)
        run("umount", "-l", place.mount_point)
        with os.fdopen(os.open("wanted", os.O_RDONLY, dir_fd=directory), "rb") as source:
            return source.read()

    return in_child(read)


@way("pivot_root into the filesystem", _FAMILY)
def pivot(place: Place) -> bytes:
    def read() -> bytes:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount(place.zone, place.zone, "", syscalls.MS_BIND)
        os.chdir(place.zone)
        syscalls.checked(syscalls.libc.pivot_root(b".", b"."), "pivot_root")
        return read_path("/wanted")

    return in_child(read)

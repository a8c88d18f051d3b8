"""Names: links, renames and folders. A verdict belongs to bytes, so no name may matter."""

from __future__ import annotations

import os
import subprocess

from tests.conformance import syscalls
from tests.conformance.way import (
    Place,
    Steps,
    in_child,
    output_of,
    read_path,
    read_patiently,
    way,
    write_apart,
)

_FAMILY = "names"


@way("symlink outside", _FAMILY)
def symlink(place: Place) -> bytes:
    (place.elsewhere / "link").symlink_to(place.file)
    return read_path(place.elsewhere / "link")


@way("chain of symlinks over /proc/self/root", _FAMILY)
def symlink_chain(place: Place) -> bytes:
    (place.elsewhere / "one").symlink_to(f"/proc/self/root{place.file}")
    (place.outside / "two").symlink_to(place.elsewhere / "one")
    return read_path(place.outside / "two")


@way("hard link outside, made after", _FAMILY)
def hard_link(place: Place) -> bytes:
    os.link(place.file, place.outside / "linked")
    return read_path(place.outside / "linked")


@way("hard link outside, the zone's name removed", _FAMILY)
def hard_link_alone(place: Place) -> bytes:
    os.link(place.file, place.outside / "linked")
    place.file.unlink()
    return read_path(place.outside / "linked")


@way("rename inside the zone", _FAMILY)
def rename(place: Place) -> bytes:
    place.file.rename(place.zone / "renamed")
    return read_path(place.zone / "renamed")


@way("rename out of the zone", _FAMILY)
def rename_out(place: Place) -> bytes:
    place.file.rename(place.outside / "renamed")
    return read_path(place.outside / "renamed")


@way("rename from outside into the zone", _FAMILY, writes=True)
def rename_in(place: Place) -> bytes:
    write_apart(place.outside / "made", place.content.body)
    (place.outside / "made").rename(place.file)
    return read_path(place.file)


@way("rename of a whole folder out of the zone", _FAMILY, writes=True)
def rename_folder(place: Place) -> bytes:
    folder = place.zone / "folder"
    folder.mkdir()
    write_apart(folder / "made", place.content.body)
    folder.rename(place.outside / "folder")
    return read_path(place.outside / "folder" / "made")


@way("RENAME_EXCHANGE with a judged clean file", _FAMILY)
def exchange(place: Place) -> bytes:
    other = write_apart(place.outside / "other", place.innocent.body)
    read_patiently(other)
    syscalls.exchange(place.file, other)
    return read_path(other)


@way("a folder made after the guard", _FAMILY, writes=True)
def new_folder(place: Place) -> bytes:
    folder = place.zone / "a" / "b" / "c"
    folder.mkdir(parents=True)
    write_apart(folder / "made", place.content.body)
    return read_path(folder / "made")


@way("a file made in the zone by a fresh name each time", _FAMILY, writes=True)
def many_names(place: Place) -> bytes:
    got = []
    for number in range(8):
        path = write_apart(place.zone / f"made{number}", place.content.body)
        try:
            got.append(read_path(path))
        except OSError:
            continue
        finally:
            path.unlink()
    return b"".join(got)


@way("a name that is no text", _FAMILY)
def odd_name(place: Place) -> bytes:
    name = os.fsencode(place.zone) + b"/-\xff\x1b[2J\n \xe2\x80\xae"
    place.file.rename(os.fsdecode(name))
    return read_path(os.fsdecode(name))


@way("a path of the greatest length", _FAMILY)
def long_name(place: Place) -> bytes:
    directory = os.open(place.zone, os.O_RDONLY)
    for _ in range(20):  # longer than PATH_MAX in all
        os.mkdir("d" * 250, dir_fd=directory)
        directory = os.open("d" * 250, os.O_RDONLY, dir_fd=directory)
    os.rename(place.file, "f" * 255, dst_dir_fd=directory)
    with os.fdopen(os.open("f" * 255, os.O_RDONLY, dir_fd=directory), "rb") as source:
        return source.read()


@way("as another name's working directory", _FAMILY)
def working_directory(place: Place) -> bytes:
    return output_of("cat", "wanted", cwd=place.zone)


@way("chroot into the zone", _FAMILY)
def chroot(place: Place) -> bytes:
    def read() -> bytes:
        os.chroot(place.zone)
        os.chdir("/")
        return read_path("/wanted")

    return in_child(read)


@way("/proc/PID/root of another process", _FAMILY)
def proc_root(place: Place) -> bytes:
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            return read_path(f"/proc/{process.pid}/root{place.file}")
        finally:
            process.kill()


@way("/proc/PID/cwd of another process", _FAMILY)
def proc_cwd(place: Place) -> bytes:
    with subprocess.Popen(["sleep", "60"], cwd=place.zone) as process:
        try:
            return read_path(f"/proc/{process.pid}/cwd/wanted")
        finally:
            process.kill()


@way("hard link outside, made before", _FAMILY)
def hard_link_before(place: Place) -> Steps:
    os.link(place.file, place.outside / "linked")
    yield
    return read_path(place.outside / "linked")

"""Small guards that are weak on purpose, to show that the suite sees leaks.

Usage: ``weakened.py WEAKNESS MOUNT_POINT ZONE``; prints READY and answers until it is killed.

All of them look into the file at each open and deny what holds a private key. What each lacks:

``none``            it looks anew at each open; the reference for the others
``mount-mark``      the mark is on the mount, not on the filesystem
``directory-mark``  the mark is on the zone's folder
``path-cache``      a verdict is kept for a name
``no-lease``        a verdict is kept for an identity, and nobody looks for writers
"""

from __future__ import annotations

import ctypes
import os
import select
import sys
from pathlib import Path

from lockgate.agent.guard import fanotify

_MARK_ADD = 0x1
_ON = {"mount-mark": 0x10, "directory-mark": 0x0}
_FILESYSTEM = 0x100
_EVENT_ON_CHILD = 0x08000000
_libc = ctypes.CDLL(None, use_errno=True)
Key = tuple[object, ...]


def mark(weakness: str, group: int, mount_point: str, zone: str) -> None:
    """Put the mark where this guard believes it suffices."""
    where = zone if weakness == "directory-mark" else mount_point
    mask = fanotify.OPEN_PERM | (_EVENT_ON_CHILD if weakness == "directory-mark" else 0)
    flags = _MARK_ADD | _ON.get(weakness, _FILESYSTEM)
    words = (group, flags, ctypes.c_uint64(mask), -100, os.fsencode(where))
    if _libc.fanotify_mark(*words) < 0:
        raise OSError(ctypes.get_errno(), "fanotify_mark")


def key_of(weakness: str, fd: int) -> Key | None:
    """What a verdict is kept for; None: every open is judged anew."""
    if weakness == "path-cache":
        return (Path(f"/proc/self/fd/{fd}").readlink(),)
    if weakness == "no-lease":
        seen = os.fstat(fd)
        return (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
    return None


def is_secret(fd: int) -> bool:
    """Whether the file holds a private key now."""
    return b"PRIVATE KEY" in os.pread(fd, 1 << 20, 0)


def main() -> None:
    """Answer until killed."""
    weakness, mount_point, zone = sys.argv[1:]
    group = fanotify.create()
    mark(weakness, group, mount_point, zone)
    answers, kept = fanotify.Answers(group), dict[Key, bool]()
    print("READY", flush=True)
    poll = select.poll()
    poll.register(group, select.POLLIN)
    while True:
        poll.poll()
        for _mask, fd, _tid in fanotify.events(answers.read()):
            key = key_of(weakness, fd)
            secret = kept[key] if key in kept else is_secret(fd)
            if key is not None:
                kept[key] = secret
            answers.deny(fd, 1) if secret else answers.allow(fd)
            os.close(fd)


if __name__ == "__main__":
    main()

"""Namespaces that a worker leaves the host's for (unshare(2), pivot_root(2)).

Rules enforced here:

1. The network goes first; where that fails for root the worker does not start.
2. The new mount namespace holds one empty, read-only directory. The host's mounts are let go
   of at once: a copy of one that stayed would keep a zone's filesystem from being unmounted.
3. What could not be had is told, by name.

Processes keep their namespace: leaving it takes a child, and a worker has none.
"""

from __future__ import annotations

import os

from lockgate.agent.libc import LIBC, checked

_CLONE_NEWNS, _CLONE_NEWUTS, _CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 1, 2, 4, 8
_MS_REC, _MS_PRIVATE = 1 << 14, 1 << 18
_MNT_DETACH = 2
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}


def leave(*, root: bool) -> tuple[str, ...]:
    """Leave what can be left; the names of those that this process is still in.

    Without root a user namespace of our own comes first; many hosts forbid it.

    Raises:
        OSError: root could not leave the network.
    """
    if not root and not _left(_CLONE_NEWUSER):
        return ("user", "network", "ipc", "mount")
    if root:
        checked(LIBC.unshare(_CLONE_NEWNET), "unshare")
    elif not _left(_CLONE_NEWNET):
        return ("network", "ipc", "mount")
    tried = {"ipc": _left(_CLONE_NEWIPC | _CLONE_NEWUTS), "mount": _has_empty_root()}
    return tuple(name for name, done in tried.items() if not done)


def _left(flags: int) -> bool:
    return int(LIBC.unshare(flags)) == 0


def _has_empty_root() -> bool:
    """Whether ``/`` could be made an empty directory of a namespace of our own."""
    number = _PIVOT_ROOT.get(os.uname().machine)
    if number is None or not _left(_CLONE_NEWNS):
        return False
    where = b"/proc"  # is on every host, and nothing here needs it any more
    flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC | _MS_RDONLY
    try:
        checked(LIBC.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None), "mount")
        checked(LIBC.mount(b"none", where, b"tmpfs", flags, b"size=4k"), "mount")
        os.chdir(where)
        checked(LIBC.syscall(number, b".", b"."), "pivot_root")
        checked(LIBC.umount2(b".", _MNT_DETACH), "umount2")
        os.chdir("/")
    except OSError:
        return False
    return True

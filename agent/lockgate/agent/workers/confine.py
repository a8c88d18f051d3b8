"""Giving up what a process does not need (prctl(2), unshare(2), setrlimit(2)).

Rules enforced here:

1. No process of ours leaves a core dump or can be read through /proc by its own user.
2. A scan worker has no other user's rights, no network, no writable file and no child before
   it sees the first hostile byte; if any of that fails it does not start.

Everything is called through ctypes: the standard library has no prctl and, before
Python 3.12, no unshare.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal

from lockgate.agent.workers.settings import Account
from lockgate.cli.hardening import forbid_core_dumps

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


def confine_worker(account: Account | None, private_bytes: int, parent: int) -> None:
    """Drop everything but the open descriptors and ``private_bytes`` of private memory.

    ``account`` None keeps the user (an agent without root). ``parent`` is the process this
    one must not outlive.

    Raises:
        OSError: a step failed, or the user would be root; the worker must not go on.
        ChildProcessError: the parent is gone already.
    """
    if account is not None:
        _check(_LIBC.unshare(_CLONE_NEWNET), "unshare")
        os.setgroups([])
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(account.uid, account.uid, account.uid)
    if 0 in os.getresuid():
        raise PermissionError(errno.EPERM, "scans do not run as root")
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    # Both are reset by a change of user, so they come after it.
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    forbid_core_dumps()
    _limit(resource.RLIMIT_DATA, private_bytes)
    _limit(resource.RLIMIT_NOFILE, 64)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NPROC, 0)
    if os.getppid() != parent:
        raise ChildProcessError("the agent is gone")


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    lowered = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (lowered, lowered))


def _prctl(option: int, value: int) -> None:
    _check(_LIBC.prctl(option, value, 0, 0, 0), "prctl")


def _check(result: int, call: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")

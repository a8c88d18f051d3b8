"""Giving up all that a scan worker does not need (prctl(2), setrlimit(2), capabilities(7)).

Rules enforced here:

1. A worker has no other user's rights, no capability, no network, no file but those it is
   handed, no child and no way to write before it sees the first hostile byte. If what every
   kernel offers fails, it does not start.
2. What only some kernels offer (namespaces, Landlock, seccomp) is tried one by one; what could
   not be had is told, so that status can say it.
3. It never runs as root, leaves no core dump, and cannot be read through /proc.
"""

from __future__ import annotations

import errno
import os
import resource
import signal
from collections.abc import Callable

from lockgate.agent import privileges
from lockgate.agent.libc import LIBC, checked
from lockgate.agent.workers import landlock, namespaces, seccomp
from lockgate.agent.workers.settings import Account
from lockgate.cli.hardening import forbid_core_dumps

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


def confine_worker(account: Account | None, private_bytes: int, parent: int) -> tuple[str, ...]:
    """Drop everything but the open descriptors and ``private_bytes`` of private memory.

    ``account`` None keeps the user (an agent without root). ``parent`` is the process this
    one must not outlive.

    Returns:
        What this kernel or host could not give, in words.

    Raises:
        OSError: a step failed, or the user would be root; the worker must not go on.
        ChildProcessError: the parent is gone already.
    """
    _silence()
    staying = namespaces.leave(root=account is not None)
    weaknesses = [f"scan workers share the host's {name} namespace" for name in staying]
    _become(account)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    # Both are reset by a change of user, so they come after it.
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    forbid_core_dumps()
    _limit_resources(private_bytes)
    if os.getppid() != parent:
        raise ChildProcessError("the agent is gone")
    weaknesses += _tried(landlock.restrict, "Landlock")
    weaknesses += _tried(seccomp.restrict, "seccomp filters")
    return tuple(weaknesses)


def _silence() -> None:
    """Give up standard error: what a worker prints could be bytes of a file."""
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    os.close(nothing)


def _become(account: Account | None) -> None:
    if account is not None:
        os.setgroups([])
        os.setresgid(account.gid, account.gid, account.gid)
        privileges.keep_only({privileges.Capability.SETUID}, bounding=())
        os.setresuid(account.uid, account.uid, account.uid)
    privileges.keep_only(())
    if account is not None and 0 in os.getresuid():
        raise PermissionError(errno.EPERM, "scans do not run as root")


def _limit_resources(private_bytes: int) -> None:
    for kind, value in (
        (resource.RLIMIT_DATA, private_bytes),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        lowered = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (lowered, lowered))


def _tried(restrict: Callable[[], None], name: str) -> list[str]:
    try:
        restrict()
    except (OSError, KeyError):
        return [f"scan workers run without {name}: this kernel offers none"]
    return []


def _prctl(option: int, value: int) -> None:
    checked(LIBC.prctl(option, value, 0, 0, 0), "prctl")

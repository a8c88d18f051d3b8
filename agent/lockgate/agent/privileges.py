"""Capabilities that the parts of an agent keep, and why (capabilities(7)).

Rules enforced here:

1. A part names what it keeps with the reason; all else is gone from every set: bounding,
   permitted, effective, inheritable and ambient. A program that it starts as root gets no
   more than the bounding set.
2. Sets belong to threads: they are dropped before the first thread is started.
3. Nobody can trace or dump a part or read it through /proc (prctl(2), PR_SET_DUMPABLE), but
   one who has CAP_SYS_PTRACE: :func:`lockgate.cli.hardening.forbid_core_dumps`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Mapping
from enum import IntEnum
from types import MappingProxyType

from lockgate.agent.libc import LIBC, checked


class Capability(IntEnum):
    """Bits of linux/capability.h that some part keeps."""

    CHOWN = 0
    DAC_OVERRIDE = 1
    DAC_READ_SEARCH = 2
    FOWNER = 3
    KILL = 5
    SETGID = 6
    SETUID = 7
    SETPCAP = 8
    SYS_PTRACE = 19
    SYS_ADMIN = 21
    SYS_NICE = 23
    SYS_RESOURCE = 24
    LEASE = 28


C = Capability

#: A holder that has shielded itself and started nothing.
HOLDER: Mapping[Capability, str] = MappingProxyType(
    {C.SYS_ADMIN: "make a permission group, and put a mark back that was lost"}
)

#: What starts scan workers, for itself and for them until they give up all they have.
SCANNING: Mapping[Capability, str] = MappingProxyType(
    {
        C.SETUID: "a worker becomes the zone's worker user",
        C.SETGID: "a worker leaves all groups but that user's",
        C.SETPCAP: "a worker empties its bounding set",
        C.SYS_ADMIN: "a worker leaves the host's network, mounts and IPC",
        C.DAC_READ_SEARCH: "a worker reads registry and salt, which others may not",
        C.KILL: "end a worker, who has another user",
        C.SYS_NICE: "put background scans behind everything else, and waited-for ones not",
    }
)

#: What keeps files away from those who may not read them.
STORING: Mapping[Capability, str] = MappingProxyType(
    {
        C.DAC_OVERRIDE: "move files of any owner, out of and into any folder",
        C.CHOWN: "make a store root's, and a copy its reader's",
        C.FOWNER: "set the mode of a store, and move files out of sticky folders",
    }
)

AGENT: Mapping[Capability, str] = MappingProxyType(
    {
        **SCANNING,
        **STORING,
        C.SYS_ADMIN: "fanotify permission events; a worker leaves the host's namespaces",
        C.SYS_PTRACE: "read /proc of openers; take the group over from a holder that hangs",
        C.LEASE: "lease files of any owner while they are judged",
        C.SYS_RESOURCE: "raise the bound of open files; shield the holder from the OOM killer",
    }
)

#: What takes in core dumps; it parses no content and starts nothing.
INTAKE: Mapping[Capability, str] = MappingProxyType(
    {
        **STORING,
        C.SYS_PTRACE: "read /proc and memory of the crashing process",
        C.SYS_NICE: "let no crashed process wait behind the others",
    }
)

_VERSION_3 = 0x20080522
_PR_CAPBSET_READ, _PR_CAPBSET_DROP = 23, 24
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Set(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def keep_only(kept: Iterable[Capability], *, bounding: Iterable[Capability] | None = None) -> None:
    """Drop every capability but ``kept`` for this thread and all that it starts.

    ``bounding`` is what programs that it starts as root get; else ``kept`` as well.

    Without the right to shrink the bounding set (a process without root) that set stays; the
    others are empty there anyway.

    Raises:
        OSError: the kernel refused.
    """
    kept = frozenset(kept)
    if _sets()[0].effective >> Capability.SETPCAP & 1:
        _shrink_bounding_set(kept if bounding is None else frozenset(bounding))
    checked(LIBC.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "prctl")
    sets = _sets()
    for index, one in enumerate(sets):
        mask = sum(1 << bit % 32 for bit in kept if bit // 32 == index)
        one.permitted &= mask
        one.effective = one.permitted
        one.inheritable = 0
    checked(LIBC.capset(ctypes.byref(_Header(_VERSION_3, 0)), ctypes.byref(sets)), "capset")


def _shrink_bounding_set(kept: frozenset[Capability]) -> None:
    bit = 0
    while (there := LIBC.prctl(_PR_CAPBSET_READ, bit, 0, 0, 0)) >= 0:
        if there and bit not in kept:
            checked(LIBC.prctl(_PR_CAPBSET_DROP, bit, 0, 0, 0), "prctl")
        bit += 1


def _sets() -> ctypes.Array[_Set]:
    sets = (_Set * 2)()
    checked(LIBC.capget(ctypes.byref(_Header(_VERSION_3, 0)), ctypes.byref(sets)), "capget")
    return sets

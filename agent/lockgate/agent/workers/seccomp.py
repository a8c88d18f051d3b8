"""The system calls that a confined worker may make; anything else kills it (seccomp(2)).

Rules enforced here:

1. The list names what a scan needs once all is imported; it opens nothing, starts nothing,
   connects to nothing, signals nobody and writes to no file.
2. New memory is private, anonymous and not executable. Shared memory would escape
   RLIMIT_DATA, and executable memory would let an intruder bring code.
3. Another architecture's numbers, or those of x32, kill as well: the filter speaks of one.

The filter is classic BPF over ``struct seccomp_data`` (linux/seccomp.h, linux/filter.h).
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lockgate.agent.libc import LIBC, checked

_INSTRUCTION = struct.Struct("=HBBI")
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_KILL, _ALLOW = 0x80000000, 0x7FFF0000
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_X32_BIT = 0x40000000

_SET_MODE_FILTER = 1
_ALL_THREADS = 1
_PROT_EXEC = 0x4
_MAP_SHARED = 0x1
_MAP_ANONYMOUS = 0x20
#: F_OFD_GETLK is the only command with the bit of open file descriptions and one bit more.
_F_OFD, _F_OFD_GETLK = 0x20, 0x24


@dataclass(frozen=True, slots=True)
class Architecture:
    """A machine: its audit number (linux/audit.h) and its system calls (asm/unistd.h)."""

    audit: int
    seccomp: int
    calls: Mapping[str, int]


#: Memory, time, randomness, threads' locks, the socket, and the file's bytes.
ARCHITECTURES: Mapping[str, Architecture] = {
    "x86_64": Architecture(
        0xC000003E,
        317,
        {
            "brk": 12,
            "clock_gettime": 228,
            "clock_nanosleep": 230,
            "close": 3,
            "exit": 60,
            "exit_group": 231,
            "fcntl": 72,
            "fstat": 5,
            "futex": 202,
            "getpid": 39,
            "getrandom": 318,
            "getrusage": 98,
            "gettid": 186,
            "gettimeofday": 96,
            "lseek": 8,
            "madvise": 28,
            "mmap": 9,
            "mprotect": 10,
            "mremap": 25,
            "munmap": 11,
            "nanosleep": 35,
            "newfstatat": 262,
            "pread64": 17,
            "recvmsg": 47,
            "restart_syscall": 219,
            "rt_sigaction": 13,
            "rt_sigprocmask": 14,
            "rt_sigreturn": 15,
            "sched_yield": 24,
            "sendto": 44,
            "sigaltstack": 131,
            "sysinfo": 99,
        },
    ),
    "aarch64": Architecture(
        0xC00000B7,
        277,
        {
            "brk": 214,
            "clock_gettime": 113,
            "clock_nanosleep": 115,
            "close": 57,
            "exit": 93,
            "exit_group": 94,
            "fcntl": 25,
            "fstat": 80,
            "futex": 98,
            "getpid": 172,
            "getrandom": 278,
            "getrusage": 165,
            "gettid": 178,
            "gettimeofday": 169,
            "lseek": 62,
            "madvise": 233,
            "mmap": 222,
            "mprotect": 226,
            "mremap": 216,
            "munmap": 215,
            "nanosleep": 101,
            "newfstatat": 79,
            "pread64": 67,
            "recvmsg": 212,
            "restart_syscall": 128,
            "rt_sigaction": 134,
            "rt_sigprocmask": 135,
            "rt_sigreturn": 139,
            "sched_yield": 124,
            "sendto": 206,
            "sigaltstack": 132,
            "sysinfo": 179,
        },
    ),
}


@dataclass(frozen=True, slots=True)
class _Bits:
    """Which bits of an argument must be set, and which must not."""

    argument: int
    required: int = 0
    forbidden: int = 0


_CONDITIONS: Mapping[str, tuple[_Bits, ...]] = {
    # Asking for a lock, to see whether a file still grows; nothing else that fcntl(2) can do.
    "fcntl": (_Bits(1, required=_F_OFD, forbidden=0xFFFFFFFF ^ _F_OFD_GETLK),),
    "mmap": (
        _Bits(2, forbidden=_PROT_EXEC),
        _Bits(3, required=_MAP_ANONYMOUS, forbidden=_MAP_SHARED),
    ),
    "mprotect": (_Bits(2, forbidden=_PROT_EXEC),),
}


def program(machine: Architecture) -> bytes:
    """The filter for a machine, ready for the kernel."""
    return b"".join(_instructions(machine))


def _instructions(machine: Architecture) -> Iterator[bytes]:
    yield _do(_LOAD, _ARCHITECTURE_AT)
    yield _do(_EQUAL, machine.audit, yes=1)
    yield _do(_RETURN, _KILL)
    yield _do(_LOAD, _NUMBER_AT)
    yield _do(_AT_LEAST, _X32_BIT, no=1)
    yield _do(_RETURN, _KILL)
    for name, number in machine.calls.items():
        body = [*_conditions(_CONDITIONS.get(name, ())), _do(_RETURN, _ALLOW)]
        yield _do(_EQUAL, number, no=len(body))
        yield from body
    yield _do(_RETURN, _KILL)


def _conditions(conditions: tuple[_Bits, ...]) -> Iterator[bytes]:
    """Kills unless all hold; the low half of an argument holds every flag there is."""
    for one in conditions:
        yield _do(_LOAD, _ARGUMENTS_AT + 8 * one.argument)
        if one.required:
            yield _do(_ANY_BIT, one.required, yes=1)
            yield _do(_RETURN, _KILL)
        if one.forbidden:
            yield _do(_ANY_BIT, one.forbidden, no=1)
            yield _do(_RETURN, _KILL)


def _do(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return _INSTRUCTION.pack(code, yes, no, value)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def restrict() -> None:
    """Allow this process and its threads the listed calls only; there is no way back.

    ``no_new_privs`` must be set.

    Raises:
        OSError: the kernel has no such filters.
        KeyError: this machine's calls are not listed.
    """
    machine = ARCHITECTURES[os.uname().machine]
    code = program(machine)
    whole = _Program(len(code) // _INSTRUCTION.size, code)
    made = LIBC.syscall(machine.seccomp, _SET_MODE_FILTER, _ALL_THREADS, ctypes.byref(whole))
    if checked(made, "seccomp"):
        raise OSError(errno.EBUSY, f"seccomp: thread {made} has filters of its own")

"""A small io_uring (io_uring_setup(2), io_uring_enter(2)), enough to open and read through it.

Rules enforced here: one operation at a time; its result is returned, or raised as OSError.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
import time
from pathlib import Path

from tests.conformance.syscalls import AT_FDCWD, checked, libc

_SETUP, _ENTER, _REGISTER = 425, 426, 427
_SETUP_SQPOLL = 1 << 1
_ENTER_GETEVENTS, _ENTER_SQ_WAKEUP = 1, 2
_REGISTER_BUFFERS, _REGISTER_FILES = 0, 2
_SQES_AT = 0x10000000
_SQE = struct.Struct("=BBHiQQIIQHHiQQ")
_CQE = struct.Struct("=QiI")
_NEED_WAKEUP = 1

FIXED_FILE = 1 << 0
ASYNC = 1 << 4
_OPENAT, _READ_FIXED, _READ, _SPLICE = 18, 4, 22, 30
_PATIENCE_S = 15.0


class Ring:
    """One ring. ``polled``: a kernel thread looks for work (SQPOLL)."""

    def __init__(self, *, polled: bool = False) -> None:
        parameters = bytearray(120)
        struct.pack_into("=5I", parameters, 0, 0, 0, _SETUP_SQPOLL if polled else 0, 0, 50)
        raw = (ctypes.c_char * 120).from_buffer(parameters)
        self.fd = checked(libc.syscall(_SETUP, 8, raw), "io_uring_setup")
        self._polled = polled
        entries, completions = struct.unpack_from("=2I", parameters, 0)
        self._sq = struct.unpack_from("=7I", parameters, 40)
        self._cq = struct.unpack_from("=6I", parameters, 80)
        size = max(self._sq[6] + 4 * entries, self._cq[5] + 16 * completions)
        self._rings = mmap.mmap(self.fd, size, offset=0)
        self._sqes = mmap.mmap(self.fd, 64 * entries, offset=_SQES_AT)
        self._keep: list[object] = []

    def open(self, path: Path, flags: int = os.O_RDONLY, *, how: int = 0, slot: int = 0) -> int:
        """IORING_OP_OPENAT. ``slot`` above zero: into the table of fixed files, at slot - 1."""
        name = ctypes.create_string_buffer(os.fsencode(path))
        address = ctypes.addressof(name)
        return self._do(_OPENAT, how, AT_FDCWD, 0, address, 0, flags, 0, slot, keep=name)

    def read(self, fd: int, size: int, *, how: int = 0) -> bytes:
        """IORING_OP_READ; with FIXED_FILE in ``how``, ``fd`` is a slot."""
        buffer = ctypes.create_string_buffer(size)
        address = ctypes.addressof(buffer)
        got = self._do(_READ, how, fd, 0, address, size, 0, 0, 0, keep=buffer)
        return buffer.raw[:got]

    def read_fixed(self, fd: int, size: int) -> bytes:
        """IORING_OP_READ_FIXED into a registered buffer."""
        buffer = ctypes.create_string_buffer(size)
        address = ctypes.addressof(buffer)
        self.register(_REGISTER_BUFFERS, struct.pack("=QQ", address, size), 1)
        got = self._do(_READ_FIXED, 0, fd, 0, address, size, 0, 0, 0, keep=buffer)
        return buffer.raw[:got]

    def splice(self, source: int, target: int, size: int) -> int:
        """IORING_OP_SPLICE from the beginning of a file into a pipe."""
        nowhere = 0xFFFFFFFFFFFFFFFF
        return self._do(_SPLICE, 0, target, nowhere, 0, size, 0, 0, source)

    def close(self) -> None:
        """Give it back; its mappings would keep it, and its fixed files, open."""
        self._rings.close()
        self._sqes.close()
        os.close(self.fd)

    def register_slots(self, count: int) -> None:
        """A table of fixed files, all empty."""
        self.register(_REGISTER_FILES, struct.pack(f"={count}i", *[-1] * count), count)

    def register_files(self, *fds: int) -> None:
        """A table of fixed files: they stay open when their descriptors are closed."""
        self.register(_REGISTER_FILES, struct.pack(f"={len(fds)}i", *fds), len(fds))

    def register(self, what: int, table: bytes, count: int) -> None:
        """io_uring_register(2)."""
        raw = ctypes.create_string_buffer(table, len(table))
        self._keep.append(raw)
        checked(libc.syscall(_REGISTER, self.fd, what, raw, count), "io_uring_register")

    def _do(
        self,
        code: int,
        flags: int,
        fd: int,
        offset: int,
        address: int,
        size: int,
        option: int,
        index: int,
        slot: int,
        *,
        keep: object = None,
    ) -> int:
        self._keep.append(keep)
        tail = self._word(self._sq[1])
        at = tail & self._word(self._sq[2])
        entry = (code, flags, 0, fd, offset, address, size, option, 7, index, 0, slot, 0, 0)
        _SQE.pack_into(self._sqes, 64 * at, *entry)
        struct.pack_into("=I", self._rings, self._sq[6] + 4 * at, at)
        struct.pack_into("=I", self._rings, self._sq[1], tail + 1)
        self._enter()
        return self._completion()

    def _enter(self) -> None:
        if not self._polled:
            words = (self.fd, 1, 1, _ENTER_GETEVENTS, None, 0)
            checked(libc.syscall(_ENTER, *words), "io_uring_enter")
        elif self._word(self._sq[4]) & _NEED_WAKEUP:
            words = (self.fd, 1, 0, _ENTER_SQ_WAKEUP, None, 0)
            checked(libc.syscall(_ENTER, *words), "io_uring_enter")

    def _completion(self) -> int:
        end = time.monotonic() + _PATIENCE_S
        head = self._word(self._cq[0])
        while head == self._word(self._cq[1]):
            if time.monotonic() > end:
                raise TimeoutError("io_uring did not complete")
            time.sleep(0.001)
        at = self._cq[5] + _CQE.size * (head & self._word(self._cq[2]))
        _, result, _ = _CQE.unpack_from(self._rings, at)
        struct.pack_into("=I", self._rings, self._cq[0], head + 1)
        if result < 0:
            raise OSError(-result, os.strerror(-result))
        return int(result)

    def _word(self, at: int) -> int:
        return int(struct.unpack_from("=I", self._rings, at)[0])

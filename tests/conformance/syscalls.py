"""System calls that Python has no function for (their man pages are in section 2).

Rules enforced here: a call that fails raises OSError with the kernel's errno; structures are
as in the kernel's user headers.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
CLONE_FILES = 0x400
CLONE_NEWNS = 0x20000
CLONE_NEWUSER = 0x10000000
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
OPEN_TREE_CLONE = 0x1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC
MOVE_MOUNT_F_EMPTY_PATH = 0x4
MOUNT_ATTR_IDMAP = 0x100000
RENAME_EXCHANGE = 0x2
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10
RESOLVE_CACHED = 0x20
FICLONE = 0x40049409
FICLONERANGE = 0x4020940D
FIDEDUPERANGE = 0xC0189436

_SYS_OPENAT2 = 437
_FSCONFIG_SET_STRING = 1
_FSCONFIG_CMD_CREATE = 6
_AIO = {"x86_64": (206, 209, 208), "aarch64": (0, 2, 4)}
_IOCB_CMD_PREAD = 0
_EXIT = {"x86_64": 60, "aarch64": 93}
_FAN_CLOSE_WRITE = 0x8
_FAN_EVENT_ON_CHILD = 0x08000000
_FAN_MARK_ADD = 0x1


def checked(result: int, what: str) -> int:
    """``result``, or the error it stands for."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def openat2(path: Path, flags: int, resolve: int, directory: int = AT_FDCWD) -> int:
    """Open below a directory under the rules of RESOLVE_* flags."""
    how = struct.pack("=QQQ", flags, 0, resolve)
    found = libc.syscall(_SYS_OPENAT2, directory, os.fsencode(path), how, len(how))
    return checked(found, "openat2")


def end_thread() -> None:
    """End the calling thread alone, also when it is the first of its process (_exit(2))."""
    libc.syscall(_EXIT[platform.machine()], 0)


def listen(folder: Path) -> int:
    """A fanotify(7) group that is told of each file in ``folder`` whose writer closes it."""
    group = checked(libc.fanotify_init(0, os.O_RDONLY), "fanotify_init")
    mask = ctypes.c_uint64(_FAN_CLOSE_WRITE | _FAN_EVENT_ON_CHILD)
    words = (group, _FAN_MARK_ADD, mask, AT_FDCWD, os.fsencode(folder))
    checked(libc.fanotify_mark(*words), "fanotify_mark")
    return group


def handle_of(path: Path) -> bytes:
    """name_to_handle_at(2): the struct file_handle."""
    room = 128
    handle = ctypes.create_string_buffer(struct.pack("=Ii", room, 0), 8 + room)
    mount = ctypes.c_int()
    found = libc.name_to_handle_at(AT_FDCWD, os.fsencode(path), handle, ctypes.byref(mount), 0)
    checked(found, "name_to_handle_at")
    return handle.raw


def open_handle(mount_point: Path, handle: bytes, flags: int = os.O_RDONLY) -> int:
    """open_by_handle_at(2)."""
    mount = os.open(mount_point, os.O_RDONLY | os.O_DIRECTORY)
    return checked(libc.open_by_handle_at(mount, handle, flags), "open_by_handle_at")


def linkat(fd: int, path: Path) -> None:
    """Give an open file a name (AT_EMPTY_PATH)."""
    done = libc.linkat(fd, b"", AT_FDCWD, os.fsencode(path), AT_EMPTY_PATH)
    checked(done, "linkat")


def exchange(one: Path, other: Path) -> None:
    """renameat2(2) with RENAME_EXCHANGE."""
    words = (AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE)
    checked(libc.renameat2(*words), "renameat2")


def unshare(flags: int) -> None:
    """Enter new namespaces; a new mount namespace passes nothing on to the old one."""
    checked(libc.unshare(flags), "unshare")
    if flags & CLONE_NEWNS:
        mount("none", "/", "", MS_REC | MS_PRIVATE)


def mount(
    source: str | Path, target: str | Path, kind: str, flags: int = 0, data: str = ""
) -> None:
    """Attach a filesystem, as the program of that name does."""
    words = (os.fsencode(source), os.fsencode(target), kind.encode(), flags, data.encode())
    checked(libc.mount(words[0], words[1], words[2], ctypes.c_ulong(words[3]), words[4]), "mount")


def open_tree(path: Path, flags: int = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC) -> int:
    """Make a detached copy of a mount."""
    return checked(libc.open_tree(AT_FDCWD, os.fsencode(path), flags), "open_tree")


def move_mount(tree: int, target: Path) -> None:
    """Attach a detached mount."""
    words = (tree, b"", AT_FDCWD, os.fsencode(target), MOVE_MOUNT_F_EMPTY_PATH)
    checked(libc.move_mount(*words), "move_mount")


def map_ids(tree: int, user_namespace: int) -> None:
    """mount_setattr(2): make a detached mount an idmapped one."""
    attributes = struct.pack("=QQQQ", MOUNT_ATTR_IDMAP, 0, 0, user_namespace)
    words = (tree, b"", AT_EMPTY_PATH, attributes, len(attributes))
    checked(libc.mount_setattr(*words), "mount_setattr")


def mount_detached(kind: str, source: str) -> int:
    """fsopen(2), fsconfig(2), fsmount(2): a mount without a place."""
    context = checked(libc.fsopen(kind.encode(), 0), "fsopen")
    setting = (context, _FSCONFIG_SET_STRING, b"source", source.encode(), 0)
    checked(libc.fsconfig(*setting), "fsconfig")
    checked(libc.fsconfig(context, _FSCONFIG_CMD_CREATE, None, None, 0), "fsconfig")
    return checked(libc.fsmount(context, 0, 0), "fsmount")


def vmsplice(fd: int, body: bytes) -> int:
    """Put one buffer into a pipe by reference."""
    buffer = ctypes.create_string_buffer(body, len(body))
    vector = struct.pack("=QQ", ctypes.addressof(buffer), len(body))
    return checked(libc.vmsplice(fd, vector, 1, 0), "vmsplice")


def tee(source: int, target: int, size: int) -> int:
    """Copy a pipe into another by reference."""
    return checked(libc.tee(source, target, ctypes.c_size_t(size), 0), "tee")


def read_of_process(pid: int, address: int, size: int) -> bytes:
    """process_vm_readv(2)."""
    buffer = ctypes.create_string_buffer(size)
    here = struct.pack("=QQ", ctypes.addressof(buffer), size)
    there = struct.pack("=QQ", address, size)
    zero = ctypes.c_ulong(0)
    got = libc.process_vm_readv(pid, here, ctypes.c_ulong(1), there, ctypes.c_ulong(1), zero)
    return buffer.raw[: checked(got, "process_vm_readv")]


def fd_of_process(pid: int, number: int) -> int:
    """pidfd_getfd(2)."""
    return checked(libc.syscall(438, os.pidfd_open(pid), number, 0), "pidfd_getfd")


def aio_read(fd: int, size: int) -> bytes:
    """io_setup(2), io_submit(2), io_getevents(2): one read by the kernel's old aio."""
    setup, submit, events = _AIO[platform.machine()]
    context = ctypes.c_ulong(0)
    checked(libc.syscall(setup, 1, ctypes.byref(context)), "io_setup")
    buffer = ctypes.create_string_buffer(size)
    block = ctypes.create_string_buffer(
        struct.pack(
            "=QIiHhIQQqQII",
            *(0, 0, 0, _IOCB_CMD_PREAD, 0, fd, ctypes.addressof(buffer), size, 0, 0, 0, 0),
        )
    )
    pointers = (ctypes.c_void_p * 1)(ctypes.addressof(block))
    checked(libc.syscall(submit, context, ctypes.c_long(1), pointers), "io_submit")
    event = ctypes.create_string_buffer(32)
    checked(libc.syscall(events, context, ctypes.c_long(1), ctypes.c_long(1), event, None), "io")
    result = struct.unpack_from("=q", event.raw, 16)[0]
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return buffer.raw[:result]


def exec_fd(fd: int, *arguments: bytes) -> None:
    """execveat(2) of an open file."""
    words = (ctypes.c_char_p * (len(arguments) + 1))(*arguments, None)
    variables = (ctypes.c_char_p * 1)(None)
    checked(libc.execveat(fd, b"", words, variables, AT_EMPTY_PATH), "execveat")

"""Calls of the C library that Python does not offer, and their errors.

Rules enforced here: a call that takes 64-bit numbers is declared here, once; every failure
becomes an :class:`OSError` that names the call.
"""

from __future__ import annotations

import ctypes
import os

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.fanotify_mark.argtypes = (
    ctypes.c_int,
    ctypes.c_uint,
    ctypes.c_uint64,
    ctypes.c_int,
    ctypes.c_char_p,
)
LIBC.renameat2.argtypes = (
    ctypes.c_int,
    ctypes.c_char_p,
    ctypes.c_int,
    ctypes.c_char_p,
    ctypes.c_uint,
)
LIBC.statx.argtypes = (
    ctypes.c_int,
    ctypes.c_char_p,
    ctypes.c_int,
    ctypes.c_uint,
    ctypes.c_char_p,
)


def checked(result: int, call: str) -> int:
    """The result of a call.

    Raises:
        OSError: it is negative: the call failed, for the reason in errno(3).
    """
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{call}: {os.strerror(code)}")
    return result

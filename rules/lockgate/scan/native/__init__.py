"""The hot loops in C: found, loaded and called, or silently absent.

How to add a loop: put one ``.c`` file here (plain C11, no dependency, every exported function
named ``lockgate_*``), build with ``python rules/hatch_build.py``, and give the module that uses
it two ways with equal results: ``function("lockgate_x", ...)`` when it is not None, numpy
otherwise. A test runs both (``native.off()`` turns C off within a block).

Rules enforced here:

1. The library is an optimisation only: without it, or with ``LOCKGATE_NATIVE=0`` in the
   environment, numpy gives the same findings.
2. Calls go through :mod:`ctypes`, which lets other threads run meanwhile. The loops keep no
   state, allocate nothing, and read and write only inside the buffers that they are given.
3. A library made from other sources than those beside it is not loaded: its calls may differ.
4. Words are little-endian; the library is not loaded on other machines.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

#: ``uint8_t *``, ``uint64_t *`` and the like: where an array's bytes stand.
POINTER = ctypes.c_void_p
SIZE = ctypes.c_size_t
U64 = ctypes.c_uint64

#: Versioned as shared objects are, so that nothing takes it for a module of Python's.
_NAME = "loops.so.1"
_VARIABLE = "LOCKGATE_NATIVE"
_turned_off = False


@cache
def _library() -> ctypes.CDLL | None:
    """The library beside this file, None when it is absent or not wanted."""
    if os.environ.get(_VARIABLE) == "0" or sys.byteorder != "little":
        return None
    path = Path(__file__).with_name(_NAME)
    try:
        library = ctypes.CDLL(str(path))
    except OSError:
        return None
    return library if _is_current(library, path.parent) else None


def _is_current(library: ctypes.CDLL, folder: Path) -> bool:
    """Whether it was made from the sources beside it; a wheel has none, and one library."""
    sources = sorted(folder.glob("*.c"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources))
    library.lockgate_sources.restype = ctypes.c_char_p
    return not sources or library.lockgate_sources() == digest.hexdigest().encode()


@cache
def _bound(name: str, result: Any, arguments: tuple[Any, ...]) -> Callable[..., int] | None:
    found = getattr(_library(), name, None)
    if found is None:
        return None
    found.restype, found.argtypes = result, list(arguments)
    bound: Callable[..., int] = found
    return bound


def function(name: str, result: Any, *arguments: Any) -> Callable[..., int] | None:
    """The C function of this name, None when numpy must do its work."""
    return None if _turned_off else _bound(name, result, arguments)


def is_loaded() -> bool:
    """Whether the loops in C are used."""
    return not _turned_off and _library() is not None


@contextmanager
def off() -> Iterator[None]:
    """Within: numpy does everything."""
    global _turned_off
    before, _turned_off = _turned_off, True
    try:
        yield
    finally:
        _turned_off = before

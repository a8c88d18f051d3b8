"""No file and no port from here on (landlock(7), linux/landlock.h).

Rules enforced here: every right that this kernel knows is given up at once and no exception
is made; descriptors that are open already stay as they are.
"""

from __future__ import annotations

import ctypes
import os
import struct
from dataclasses import dataclass

from lockgate.agent.libc import LIBC, checked

# The same numbers on every architecture.
_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_TELL_VERSION = 1
_ATTRIBUTES = struct.Struct("=QQQ")
_TCP_BIND_CONNECT = 0b11
_ABSTRACT_SOCKETS_SIGNALS = 0b11


@dataclass(frozen=True, slots=True)
class Rights:
    """What one version of the interface can take away, as its three sets of bits."""

    files: int
    ports: int
    scopes: int

    def attributes(self) -> bytes:
        """``struct landlock_ruleset_attr``, as long as the kernel of that version knows it."""
        packed = _ATTRIBUTES.pack(self.files, self.ports, self.scopes)
        return packed[: 24 if self.scopes else 16 if self.ports else 8]


def version() -> int:
    """The version of the interface; 0: this kernel has none, or it is off."""
    return max(0, int(LIBC.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _TELL_VERSION)))


def rights(abi: int) -> Rights:
    """All that version ``abi`` can take away: 13 rights at first, then refer, truncate, ioctl."""
    files = 13 + (abi >= 2) + (abi >= 3) + (abi >= 5)
    return Rights(
        files=(1 << files) - 1,
        ports=_TCP_BIND_CONNECT if abi >= 4 else 0,
        scopes=_ABSTRACT_SOCKETS_SIGNALS if abi >= 6 else 0,
    )


def restrict() -> None:
    """Give up every right; there is no way back. ``no_new_privs`` must be set.

    Raises:
        OSError: this kernel cannot.
    """
    attributes = rights(version()).attributes()
    size = ctypes.c_size_t(len(attributes))
    ruleset = checked(LIBC.syscall(_CREATE_RULESET, attributes, size, 0), "landlock")
    try:
        checked(LIBC.syscall(_RESTRICT_SELF, ruleset, 0), "landlock")
    finally:
        os.close(ruleset)

"""Results handed from a background thread to the thread that answers the kernel.

Rules enforced here:

1. Neither side ever waits for the other.
2. The descriptor is readable exactly while something waits (eventfd(2)), so that the reader
   can poll it beside the kernel's descriptors.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """A queue with a descriptor that can be polled."""

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()
        self._items: deque[T] = deque()
        self._closed = False

    def fileno(self) -> int:
        """The eventfd; readable while items wait."""
        return self._fd

    def put(self, item: T) -> None:
        """Add an item; after :meth:`close` it is dropped, since nobody reads any more."""
        with self._lock:
            if self._closed:
                return
            self._items.append(item)
            os.eventfd_write(self._fd, 1)

    def collect(self) -> list[T]:
        """Everything that waits, oldest first."""
        with self._lock:
            if self._closed:
                return []
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._fd)
            items = list(self._items)
            self._items.clear()
            return items

    def close(self) -> None:
        """Give the descriptor back."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._fd)

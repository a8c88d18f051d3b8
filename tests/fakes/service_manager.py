"""The part of pid 1 that keeps descriptors: sd_notify(3) received, sd_listen_fds(3) given.

Used by tests of what survives when every process of a service is killed at once.
"""

from __future__ import annotations

import array
import os
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

#: Moves inherited descriptors to 3 and up, and becomes the service.
_LAUNCH = """
import os, sys
numbers, names = sys.argv[1].split(","), sys.argv[2]
high = [os.dup2(int(n), 900 + i, inheritable=True) for i, n in enumerate(numbers) if n]
for i, n in enumerate(high): os.dup2(n, 3 + i, inheritable=True); os.close(n)
os.environ |= {"LISTEN_FDS": str(len(high)), "LISTEN_FDNAMES": names}
os.environ["LISTEN_PID"] = str(os.getpid())
os.execvp(sys.argv[3], sys.argv[3:])
"""


class ServiceManager:
    """Listens on ``path``; ``said`` are the lines it was told, ``store`` what it keeps."""

    def __init__(self, path: Path) -> None:
        self.said: list[str] = []
        self.store: list[tuple[str, int]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._run, daemon=True)

    def launcher(self) -> list[str]:
        """The words before a service's command line that give it what is kept."""
        numbers = ",".join(str(fd) for _, fd in self.store)
        names = ":".join(name for name, _ in self.store)
        return [sys.executable, "-c", _LAUNCH, numbers, names]

    def kept(self, name: str) -> list[int]:
        """The descriptors of one name."""
        return [fd for known, fd in self.store if known == name]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()
        for _name, fd in self.store:
            os.close(fd)

    def _run(self) -> None:
        while True:
            try:
                packet, ancillary, _, _ = self._socket.recvmsg(4096, 4096)
            except OSError:
                return
            if not packet:
                return
            fds = array.array("i")
            for _level, _kind, data in ancillary:
                fds.frombytes(data)
            self._take(packet.decode().splitlines(), fds.tolist())

    def _take(self, lines: list[str], fds: list[int]) -> None:
        self.said += lines
        name = next((line[7:] for line in lines if line.startswith("FDNAME=")), "stored")
        if "FDSTORE=1" in lines:
            self.store += [(name, fd) for fd in fds]
        if "FDSTOREREMOVE=1" in lines:
            for known, fd in [entry for entry in self.store if entry[0] == name]:
                os.close(fd)  # first: what is no longer in the store is not open either
                self.store.remove((known, fd))

"""The walk that finds changed files again: a child of the agent that opens each of them.

Rules enforced here:

1. The child is never let in: the guard knows its thread, keeps the descriptor that came with
   the event, and refuses the open. So the child holds no bytes and can be no way out.
2. It asks before each open and waits for the answer, so that it goes only as fast as files
   are judged, and stands still while others use the filesystem.
3. It stays on the filesystem where it began, and opens only what changed since the time given.

Only the standard library is imported: the child is small.
"""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Walk:
    """The agent's side of one walk."""

    def __init__(self, root: str, since_ns: int) -> None:
        """Start at ``root``; files whose st_ctime_ns is older than ``since_ns`` are left out.

        Raises:
            OSError: no child could be started.
        """
        self._socket, theirs = socket.socketpair()
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-m", __spec__.name, str(theirs.fileno()), root, str(since_ns)],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        except BaseException:
            self._socket.close()
            raise
        finally:
            theirs.close()
        self._socket.setblocking(False)  # noqa: FBT003 - the name is the standard library's
        self.waits = False
        self.ended = False

    @property
    def tid(self) -> int:
        """The child's only thread; until :meth:`close` nobody else has that number."""
        return self._child.pid

    def fileno(self) -> int:
        """Readable when the child asks or ended."""
        return self._socket.fileno()

    def hear(self) -> None:
        """Read what the child says."""
        try:
            word = self._socket.recv(1)
        except BlockingIOError:
            return
        except OSError:
            word = b""
        self.waits = bool(word)
        self.ended = not word

    def go_on(self) -> None:
        """Let the child open one more file."""
        self.waits = False
        try:
            self._socket.send(b".", socket.MSG_NOSIGNAL)
        except OSError:
            self.ended = True

    def close(self) -> None:
        """End the child."""
        self._socket.close()
        self._child.kill()
        self._child.wait()


def changed_files(root: str, since_ns: int) -> Iterator[str]:
    """Regular files of one filesystem that are not empty and changed since then."""
    device = os.lstat(root).st_dev
    folders = [root]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    if status.st_dev != device:
                        continue
                    if stat.S_ISDIR(status.st_mode):
                        folders.append(entry.path)
                    elif _is_changed(status, since_ns):
                        yield entry.path
        except OSError:  # a folder that went away
            continue


def _is_changed(status: os.stat_result, since_ns: int) -> bool:
    return bool(stat.S_ISREG(status.st_mode) and status.st_size and status.st_ctime_ns >= since_ns)


def main() -> None:
    """Walk as told: ``SOCKET ROOT SINCE_NS``."""
    with socket.socket(fileno=int(sys.argv[1])) as guard:
        for path in changed_files(sys.argv[2], int(sys.argv[3])):
            guard.send(b"?")
            if not guard.recv(1):
                return
            try:
                os.close(os.open(path, _FLAGS))
            except OSError:
                continue


if __name__ == "__main__":
    main()

"""A scan worker whose scanner does what the file says: for tests of the pool."""

from __future__ import annotations

import os
import signal
import sys
import time

from lockgate.agent.workers.worker import Told, options, start
from lockgate.scan.report import EngineInfo, Report


class ObedientScanner:
    """``die`` kills the process, ``hang`` tells of one byte and never ends, ``lie`` names
    another file; every other order reports the process.
    """

    def scan_fd(
        self, fd: int, name: str, *, progress: Told | None = None, follow: bool = False
    ) -> Report:
        """Do what the file says."""
        order = os.pread(fd, 64, 0).strip()
        if order == b"die":
            os.kill(os.getpid(), signal.SIGKILL)
        if order == b"raise":
            raise ValueError("bytes of the file")
        if order == b"hang" and progress is not None:
            time.sleep(0.3)
            progress(1, len(order))
            time.sleep(60)
        engine = EngineInfo(f"{os.getpid()}", "test", "standard", ("order",))
        name = "another" if order == b"lie" else name
        return Report(name, None, len(order), (), (), len(order), 0.0, engine)


if __name__ == "__main__":
    start(options(sys.argv[1:]), ObedientScanner)

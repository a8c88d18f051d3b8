"""A scan worker whose scanner does what the file says: for tests of the pool."""

from __future__ import annotations

import os
import signal
import sys
import time

from lockgate.agent.workers.worker import options, start
from lockgate.scan.report import EngineInfo, Report


class ObedientScanner:
    """``die`` kills the process, ``hang`` never ends, ``uid`` reports who scans."""

    def scan_fd(self, fd: int, name: str) -> Report:
        """Do what the file says."""
        order = os.pread(fd, 64, 0).strip()
        if order == b"die":
            os.kill(os.getpid(), signal.SIGKILL)
        if order == b"raise":
            raise ValueError("bytes of the file")
        if order == b"hang":
            time.sleep(60)
        engine = EngineInfo("test", f"{os.getuid()}", "standard", ("order",))
        return Report(name, None, len(order), (), (), len(order), 0.0, engine)


if __name__ == "__main__":
    start(options(sys.argv[1:]), ObedientScanner)

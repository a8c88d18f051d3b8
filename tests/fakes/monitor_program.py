"""An agent in a mode that only tells, as a process: ``monitor_program.py MODE DIR``."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from watched import audit, monitor, watching

from lockgate.agent.config import Mode
from lockgate.agent.watch.notify import Notify

if __name__ == "__main__":
    mode = Mode(sys.argv[1])
    make = audit if mode is Mode.AUDIT else monitor(Notify)
    with watching(Path(sys.argv[2]), mode, make):
        sys.stdout.write("READY\n")
        sys.stdout.flush()
        time.sleep(60)

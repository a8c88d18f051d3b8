"""What every process of the controller does first.

Rules enforced here:

1. Its memory holds keys: no core dump of it is ever written, and no process without
   privileges may trace it (prctl(2), PR_SET_DUMPABLE).
2. Files it makes are readable by their owner only.
3. Logs are JSON lines on stderr: a constant message and fields. Of an exception they have the
   type and the places in the code, never its text or variables: those could hold a token.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any

import structlog

from lockgate.cli.hardening import forbid_core_dumps


def harden() -> None:
    """Disable our own core dumps and close the umask."""
    forbid_core_dumps()
    os.umask(0o077)


def log_to_stderr() -> None:
    """Configure structlog for a daemon."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _place_of_fault,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _place_of_fault(_logger: object, _method: str, event: Any) -> Any:
    """What is logged of the exception being handled."""
    kind, _, trace = sys.exc_info()
    if event.pop("exc_info", False) and kind is not None:
        event["fault"] = kind.__name__
        event["at"] = [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(trace)]
    return event

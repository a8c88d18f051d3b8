"""Logs: one JSON object per line on standard error, a constant message and fields.

Rules enforced here:

1. Nothing is logged between an event of the kernel and its answer.
2. Fields hold names, counts and public fingerprints; never content.
"""

from __future__ import annotations

import sys

import structlog


def set_up() -> None:
    """Configure structlog for this process."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )

"""What a destination of alerts must be able to do.

Rules enforced here:

1. ``deliver`` returns only when the destination has acknowledged every alert of the batch at
   the level of its application; having sent the bytes is not delivery.
2. A failure is one of two: :class:`UnreachableError` (try again later) or
   :class:`RejectedError` (this alert will never be accepted; a dead letter).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lockgate.controller.alerts.outbox import Alert


class UnreachableError(Exception):
    """The destination did not acknowledge; the same batch will be delivered again."""


class RejectedError(Exception):
    """The destination refuses one alert for good."""

    def __init__(self, alert: Alert, reason: str) -> None:
        super().__init__(reason)
        self.alert = alert


class Sink(Protocol):
    """A destination of alerts."""

    @property
    def name(self) -> str:
        """The name of its cursor; it must not change between starts."""
        ...

    def deliver(self, batch: Sequence[Alert]) -> None:
        """Deliver in order; see the rules of this module for how it may end."""
        ...

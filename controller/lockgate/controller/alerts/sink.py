"""What a destination of alerts must be able to do.

Rules enforced here:

1. ``deliver`` returns only when the destination has acknowledged every alert of the batch at
   the level of its application; having sent the bytes is not delivery. A destination that
   cannot acknowledge says so, and its alerts are shown as ``sent, unconfirmed``.
2. A failure is one of two: :class:`UnreachableError` (try again later) or
   :class:`RejectedError` (this alert will never be accepted; a dead letter).
3. What may have been delivered before is marked as a repetition: after a failure, what was
   sent already; after a start, the first batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lockgate.controller.alerts.outbox import Alert


class UnreachableError(Exception):
    """The destination did not acknowledge; what it has not will be delivered again.

    ``acknowledged`` is the id of the last alert of the batch that it has, None when it has none.
    """

    def __init__(self, reason: str, acknowledged: int | None = None) -> None:
        super().__init__(reason)
        self.acknowledged = acknowledged


class RejectedError(Exception):
    """The destination refuses one alert for good; it has all alerts before it."""

    def __init__(self, alert: Alert, reason: str) -> None:
        super().__init__(reason)
        self.alert = alert


class Sink(Protocol):
    """A destination of alerts."""

    @property
    def name(self) -> str:
        """The name of its cursor; it must not change between starts."""
        ...

    @property
    def confirms(self) -> bool:
        """Whether the destination acknowledges what it has."""
        ...

    def deliver(self, batch: Sequence[Alert]) -> None:
        """Deliver in order; see the rules of this module for how it may end."""
        ...


class Repeats:
    """Which alerts of one destination may have been delivered before (rule 3)."""

    def __init__(self) -> None:
        self._highest: int | None = None

    def among(self, batch: Sequence[Alert]) -> frozenset[int]:
        """The ids of those alerts of the batch; all of it counts as sent from now on."""
        known = self._highest
        self._highest = max(*(alert.id for alert in batch), known or 0)
        return frozenset(alert.id for alert in batch if known is None or alert.id <= known)

"""Time as the store keeps it: UTC microseconds since 1970 in one integer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def now() -> datetime:
    """The time of day, UTC."""
    return datetime.now(UTC)


def to_micros(moment: datetime) -> int:
    """``moment`` (with a time zone) as stored."""
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The inverse of :func:`to_micros`."""
    return _EPOCH + micros * _MICROSECOND


def rfc3339(moment: datetime) -> str:
    """``moment`` as text: UTC, microseconds, ``Z``."""
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return f"{utc.isoformat(timespec='microseconds')}Z"


def text(micros: int | None) -> str | None:
    """A stored time as text, for people and JSON."""
    return None if micros is None else rfc3339(from_micros(micros))

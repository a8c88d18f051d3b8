"""Identifiers that sort by time."""

import time
import uuid

from lockgate.wire import ids


def test_identifiers_are_uuid_version_7_of_now():
    """Version, variant and time are those of RFC 9562."""
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(ids.uuid7())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000 + 1


def test_identifiers_rise_also_when_the_clock_steps_back(monkeypatch):
    """Order holds within a millisecond and over a clock that jumps."""
    first = [ids.uuid7() for _ in range(1000)]
    monkeypatch.setattr(ids.time, "time_ns", lambda: 0)
    made = first + [ids.uuid7() for _ in range(100)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)

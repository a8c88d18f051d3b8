"""Entries of the ledger that are not tried where they are made."""

from datetime import UTC, datetime

from lockgate.controller import entries

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_long_question_stands_in_the_ledger_by_its_digest():
    """A person who asks about much does not fill the disk; a short question is readable."""
    assert entries.view("Search", "p", {"zone": "prod"}, NOW)["asked"] == {"zone": "prod"}
    asked = entries.view("Replay", "p", {"text": "x" * 100_000}, NOW)["asked"]
    assert len(asked["sha256"]) == 64
    assert asked["bytes"] > 100_000

"""Answers already given: kept for a while, then forgotten."""

from lockgate.controller import answers
from lockgate.wire.ids import uuid7


def test_old_answers_are_forgotten_in_batches_and_young_ones_kept(engine):
    """What was answered before the moment goes, at most so many at once."""
    old, young = [uuid7() for _ in range(5)], uuid7()
    content = b"c" * 32
    with engine.begin() as connection:
        for request_id in old:
            answers.remember(connection, request_id, "h", content, b"a", 99)
        answers.remember(connection, young, "h", content, b"a", 100)
        assert [answers.prune(connection, 100, limit=2) for _ in range(4)] == [2, 2, 1, 0]
        assert answers.recall(connection, old[0], "h", content) is None
        assert answers.recall(connection, young, "h", content) == b"a"

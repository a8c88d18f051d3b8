"""Message numbers: gaps, late messages, counts that were lost."""

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, delete, insert, select

from lockgate.controller import sequences
from lockgate.controller.store.schema import agents, metadata, sequence_gaps


@pytest.fixture
def seen(engine):
    """Observes numbers of one host; gives the ledger entries and the open gaps."""
    return lambda *numbers: observe(engine, numbers)


def _append(entries, entry):
    entries.append(entry)
    return len(entries) - 1


def observe(engine, numbers):
    """Observe numbers on an empty store."""
    entries = []
    with engine.begin() as connection:
        connection.execute(insert(agents).values(host="h", enrolled_at=1))
        for number in numbers:
            sequences.observe(connection, partial(_append, entries), "h", number, 1, "t")
        rows = connection.execute(select(sequence_gaps).order_by(sequence_gaps.c.first))
        gaps = [(row.first, row.last) for row in rows]
        connection.execute(delete(agents))
        connection.execute(delete(sequence_gaps))
    return entries, gaps


def test_numbers_in_order_leave_nothing(seen):
    """1, 2, 3 is not worth an entry."""
    assert seen(1, 2, 3) == ([], [])


def test_a_skipped_number_is_recorded_at_once(seen):
    """The entry names the first and the last number that are missing."""
    entries, gaps = seen(1, 5)
    assert entries == [{"kind": "sequence-gap", "time": "t", "host": "h", "first": 2, "last": 4}]
    assert gaps == [(2, 4)]


def test_a_first_message_that_is_not_number_one_is_a_gap(seen):
    """What an agent said before its first heard message is missing too."""
    assert seen(3)[1] == [(1, 2)]


def test_late_messages_close_their_part(seen):
    """A number in the middle splits the gap; the last one closes it."""
    assert seen(6, 3)[1] == [(1, 2), (4, 5)]
    entries, gaps = seen(4, 2, 1, 3)
    assert gaps == []
    assert [e["kind"] for e in entries] == ["sequence-gap"] + ["sequence-late"] * 3


def test_a_number_heard_before_means_a_lost_count(seen):
    """The rewind is recorded and counting goes on from there."""
    entries, gaps = seen(1, 2, 3, 1, 2)
    assert entries == [{"kind": "sequence-rewound", "time": "t", "host": "h", "from": 3, "to": 1}]
    assert gaps == []


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(1, 9)))
def test_any_order_of_all_numbers_ends_without_a_gap(order):
    """Messages that are only late, never lost, leave no gap and no rewind."""
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    entries, gaps = observe(engine, order)
    assert gaps == []
    assert "sequence-rewound" not in [e["kind"] for e in entries]


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(min_value=1, max_value=40), min_size=1))
def test_what_is_missing_is_exactly_what_is_recorded(numbers):
    """The open gaps are the numbers below the highest that never came."""
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    _, gaps = observe(engine, sorted(numbers))
    missing = {n for first, last in gaps for n in range(first, last + 1)}
    assert missing == set(range(1, max(numbers) + 1)) - numbers

"""When each message that was not acknowledged is said next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from lockgate.agent.mailbox import Mailbox
from lockgate.agent.uplink.spool import Record, RecordKind
from lockgate.agent.uplink.unsent import Question, Unsent, UnsentMessages

_NOW = 1000.0


def _message(number: int, deadline: float | None = None) -> Unsent:
    question = None
    if deadline is not None:
        anything = cast("Any", datetime.now(UTC))  # the table looks at the deadline only
        question = Question(number, anything, anything, deadline, cast("Mailbox[Any]", None))
    return Unsent(Record(number, RecordKind.ENFORCEMENT, b""), object(), question)


def _table(messages: list[Unsent]) -> UnsentMessages:
    table = UnsentMessages()
    for message in messages:
        table.add(message)
    return table


@given(st.lists(st.booleans(), max_size=80))
def test_questions_go_first_and_all_of_them(asked: list[bool]) -> None:
    """Openers that wait are served at once, whatever else there is; the rest in order, bounded."""
    table = _table([_message(n, _NOW + 5 if ask else None) for n, ask in enumerate(asked)])
    due = [message.record.number for message in table.due(_NOW)]
    questions = [n for n, ask in enumerate(asked) if ask]
    others = [n for n, ask in enumerate(asked) if not ask]
    assert due == questions + others[: max(0, 32 - len(questions))]


@given(st.integers(1, 40))
def test_a_failure_keeps_back_what_nobody_waits_for_but_no_question(attempts: int) -> None:
    """After a message was said in vain, the others wait a while, at most 30 s; a question goes."""
    failed, other, question = _message(1), _message(2), _message(3, _NOW + 5)
    table = _table([failed, other, question])
    failed.attempts = attempts
    table.postpone(failed, _NOW)
    assert [m.record.number for m in table.due(_NOW + 0.1)] == [3]
    assert {m.record.number for m in table.due(_NOW + 31)} == {1, 2, 3}


def test_whoever_is_back_hears_everything_at_once() -> None:
    """No pause outlasts the first answer."""
    first, second = _message(1), _message(2)
    table = _table([first, second])
    first.attempts = 10
    table.postpone(first, _NOW)
    table.hurry()
    assert [m.record.number for m in table.due(_NOW)] == [1, 2]


@given(st.lists(st.floats(_NOW - 5, _NOW + 5), min_size=1, max_size=20))
def test_no_deadline_is_slept_through(deadlines: list[float]) -> None:
    """The patience ends with the first deadline, and what is past it is late."""
    messages = [_message(n, deadline) for n, deadline in enumerate(deadlines)]
    for message in messages:
        message.in_flight = True
    table = _table(messages)
    assert table.patience(_NOW) <= max(0.0, min(deadlines) - _NOW)
    late = {message.record.number for message, _ in table.late(_NOW)}
    assert late == {n for n, deadline in enumerate(deadlines) if deadline <= _NOW}

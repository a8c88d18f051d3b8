"""Group commit: durable before the answer, one unit's fault is its own, a full disk passes."""

import asyncio
import sqlite3
import threading
import time

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import DBAPIError, OperationalError

from lockgate.controller.store.database import StoreError, StoreFullError, open_reader, open_writer
from lockgate.controller.store.schema import destinations
from lockgate.controller.store.writer import LARGEST_BATCH, Writer

#: For what is a matter of SQLite alone.
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def add(name):
    """A unit that adds a row and returns 1."""

    def unit(connection):
        connection.execute(insert(destinations).values(name=name))
        return 1

    return unit


def names(engine):
    """The rows that are there."""
    with engine.connect() as connection:
        return set(connection.execute(select(destinations.c.name)).scalars())


@pytest.fixture
def rollbacks():
    """Counts rollbacks."""
    return []


@pytest.fixture
def writer(engine, rollbacks):
    """A writer on an empty store."""
    writer = Writer(engine, lambda: rollbacks.append(1))
    yield writer
    writer.close()


def test_an_answer_comes_after_the_commit(writer, place):
    """When the future is done, another connection sees the row."""
    writer.submit(add("a")).result(60)
    assert names(open_reader(place)) == {"a"}


def test_concurrent_units_share_commits(engine, writer):
    """Many units waiting together need far fewer transactions than units."""
    commits = []
    gate = threading.Event()
    writer.submit(lambda c: gate.wait(60))
    from sqlalchemy import event

    event.listen(engine, "commit", lambda c: commits.append(1))
    futures = [writer.submit(add(str(n))) for n in range(LARGEST_BATCH)]
    gate.set()
    assert all(f.result(60) == 1 for f in futures)
    assert len(commits) <= 3


def test_a_failing_unit_fails_alone(writer, rollbacks, place):
    """Its neighbours in the batch are committed; what it wrote is not."""
    gate = threading.Event()
    writer.submit(lambda c: gate.wait(60))

    def broken(connection):
        add("broken")(connection)
        raise KeyError("fault")

    good = [writer.submit(add("a")), writer.submit(add("b"))]
    bad = writer.submit(broken)
    late = writer.submit(add("c"))
    duplicate = writer.submit(add("a"))
    gate.set()
    assert [f.result(60) for f in (*good, late)] == [1, 1, 1]
    with pytest.raises(KeyError):
        bad.result(60)
    with pytest.raises(Exception, match=r"(?i)unique"):
        duplicate.result(60)
    assert names(open_reader(place)) == {"a", "b", "c"}
    assert rollbacks


def full(*_):
    """A unit that meets a full disk."""
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    raise OperationalError("INSERT secret", {"p": "secret"}, error)


def test_a_full_disk_fails_the_batch_and_the_next_one_works(writer, rollbacks):
    """Everyone in the batch is told store-full; nothing of the statement is in the text."""
    with pytest.raises(StoreFullError) as caught:
        writer.submit(full).result(60)
    assert "secret" not in str(caught.value)
    assert rollbacks == [1]
    assert writer.submit(add("a")).result(60) == 1


@on_sqlite
def test_a_database_that_reaches_its_limit_is_full_and_recovers(engine, writer):
    """SQLite's own SQLITE_FULL, by a page limit, becomes store-full until the limit is lifted."""

    def set_limit(pages):
        writer.submit(
            lambda c: c.exec_driver_sql(f"PRAGMA max_page_count={pages}").scalar()
        ).result(60)

    set_limit(1)
    futures = [writer.submit(add(f"{n:0>60}")) for n in range(200)]
    failures = [future.exception(60) for future in futures]
    assert any(isinstance(failure, StoreFullError) for failure in failures)
    set_limit(1_000_000)
    assert writer.submit(add("after")).result(60) == 1


def test_what_is_submitted_while_the_writer_ends_is_told(engine, place):
    """Nobody waits for an answer that will not come, and what came before is kept."""
    made, running, gate = Writer(engine, lambda: None), threading.Event(), threading.Event()
    first = made.submit(lambda c: (running.set(), gate.wait(60), add("first")(c)))
    assert running.wait(60)
    closing = threading.Thread(target=made.close)
    closing.start()
    while made.waiting() == 0:
        time.sleep(0.001)
    late = made.submit(add("late"))
    gate.set()
    closing.join(60)
    first.result(60)
    with pytest.raises(StoreError, match="closing"):
        late.result(60)
    assert names(open_reader(place)) == {"first"}


def test_a_cancelled_unit_is_not_run_and_disturbs_nobody(writer, place):
    """A caller that went away before the batch began leaves no row."""
    gate = threading.Event()
    writer.submit(lambda c: gate.wait(60))
    gone, stays = writer.submit(add("gone")), writer.submit(add("stays"))
    assert gone.cancel()
    gate.set()
    stays.result(60)
    assert names(open_reader(place)) == {"stays"}


@on_sqlite
def test_the_store_runs_with_wal_and_synchronous_full(engine):
    """The PRAGMAs read back are the durable ones."""
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_a_store_that_cannot_be_durable_is_refused(tmp_path, monkeypatch):
    """If SQLite says another setting than was asked for, the store does not open."""
    from lockgate.controller.store import sqlite

    monkeypatch.setattr(sqlite, "_SYNCHRONOUS", {"FULL": 3})
    with pytest.raises(StoreError, match="synchronous=2"):
        open_writer(tmp_path / "x.db")


def test_a_reader_cannot_write(engine, place):
    """Read verbs have no way to change the store."""
    reader = open_reader(place)
    with reader.connect() as connection, pytest.raises(DBAPIError, match=r"read-?only"):
        connection.execute(insert(destinations).values(name="x"))


def test_reading_where_no_store_is_makes_none(tmp_path):
    """Asking for a store that does not exist is an error and leaves no file."""
    with pytest.raises(StoreError, match="no store here"):
        open_reader(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()


def test_calls_of_a_loop_are_told_what_became_of_theirs(writer, place):
    """Results, faults and a call that was cancelled meanwhile, all in one batch."""

    def broken(_connection):
        raise KeyError("fault")

    async def calls():
        gate = threading.Event()
        waiting = asyncio.create_task(writer.run(lambda _: gate.wait(60)))
        good = [asyncio.create_task(writer.run(add(name))) for name in "ab"]
        bad, gone = (
            asyncio.create_task(writer.run(broken)),
            asyncio.create_task(writer.run(add("c"))),
        )
        await asyncio.sleep(0.05)
        gone.cancel()
        gate.set()
        return await asyncio.gather(waiting, *good, bad, gone, return_exceptions=True)

    _, first, second, fault, cancelled = asyncio.run(calls())
    assert (first, second) == (1, 1)
    assert isinstance(fault, KeyError)
    assert isinstance(cancelled, asyncio.CancelledError)
    assert names(open_reader(place)) >= {"a", "b"}

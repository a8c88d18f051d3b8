"""Leases: one holder at a time, given up by closing and by dying."""

import time

import pytest
from sqlalchemy import text

from lockgate.controller.store.database import StoreError, open_reader
from lockgate.controller.store.lease import leases_in


@pytest.fixture
def two(engine, place):
    """The leases of two controllers on one store."""
    made = [leases_in(open_reader(place)) for _ in range(2)]
    yield made
    for leases in made:
        leases.close()


on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_whoever_has_the_store_alone_holds_everything(two):
    """A store in a file has one serving controller."""
    assert two[0].holds("a")


@on_postgresql
def test_a_lease_has_one_holder_until_it_is_given_up(two):
    """Asking again is no other lease; names do not disturb each other."""
    first, second = two
    assert [first.holds("a"), first.holds("a"), second.holds("a")] == [True, True, False]
    assert second.holds("b")
    first.close()
    assert second.holds("a")
    assert not first.holds("a")


@on_postgresql
def test_a_lease_ends_with_its_session(two, engine):
    """A holder that was cut off is told so at its next question; another may take over."""
    first, second = two
    assert first.holds("a")
    here = "(SELECT oid FROM pg_database WHERE datname = current_database())"
    cut = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_locks"
        f" WHERE classid = 19528 AND database = {here}"
    )
    with engine.begin() as connection:
        assert connection.execute(text(cut)).scalar() == 1
    with pytest.raises(StoreError):
        first.holds("a")
    end = time.monotonic() + 60
    while not second.holds("a"):  # the server tells of the end before it gives the lock back
        assert time.monotonic() < end
    assert not first.holds("a")

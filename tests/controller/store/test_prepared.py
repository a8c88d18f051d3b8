"""Prepared statements mean what SQLAlchemy's execution of them means."""

import pytest
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from lockgate.controller.store.prepared import Prepared
from lockgate.controller.store.schema import destinations, requests

NEW = Prepared(insert(requests))
ONE = Prepared(select(requests).where(requests.c.request_id == bindparam("id")).limit(1))
ROW = {"request_id": "r", "peer": "h", "digest": b"\0d", "response": b"", "answered_at": 2**62}


def test_a_row_comes_back_as_it_was_put(engine):
    """Text, bytes and large numbers, by the names of their columns; None where nothing is."""
    with engine.begin() as connection:
        NEW.run(connection, ROW)
        found = ONE.first(connection, {"id": "r"})
        assert {name: getattr(found, name) for name in ROW} == ROW
        assert ONE.scalar(connection, {"id": "r"}) == "r"
        assert ONE.first(connection, {"id": "other"}) is None
        assert ONE.scalar(connection, {"id": "other"}) is None
        assert connection.execute(select(requests)).one()._asdict() == ROW


def test_other_columns_make_another_statement(engine):
    """What a row does not name gets the table's default, whatever rows came before."""
    new = Prepared(insert(destinations))
    known = select(destinations).order_by(destinations.c.name)
    with engine.begin() as connection:
        new.run(connection, {"name": "a", "cursor": 7})
        new.run(connection, {"name": "b"})
        rows = connection.execute(known).all()
    assert [(row.name, row.cursor, row.confirms) for row in rows] == [
        ("a", 7, True),
        ("b", 0, True),
    ]


def test_values_that_stand_in_the_statement_are_kept(engine):
    """A constant and a parameter in one statement."""
    fail = Prepared(
        update(destinations).where(destinations.c.name == bindparam("which")).values(failures=3)
    )
    with engine.begin() as connection:
        connection.execute(insert(destinations), [{"name": "a"}, {"name": "b"}])
        fail.run(connection, {"which": "b"})
        rows = connection.execute(select(destinations.c.name, destinations.c.failures)).all()
    assert sorted(tuple(row) for row in rows) == [("a", 0), ("b", 3)]


def test_a_failure_is_sqlalchemys_and_tells_no_value(engine):
    """A doubled key is an IntegrityError, as everywhere else."""
    with engine.begin() as connection:
        NEW.run(connection, {**ROW, "request_id": "secret"})
    with pytest.raises(IntegrityError) as caught, engine.begin() as connection:
        NEW.run(connection, {**ROW, "request_id": "secret"})
    assert "secret" not in str(caught.value) or engine.dialect.name == "postgresql"

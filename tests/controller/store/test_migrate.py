"""Migrations: from nothing to the tables in code, again without effect, never from the future."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import column, create_engine, insert, inspect, select, table

from lockgate.controller.ledger.entry import entry_bytes, found_by
from lockgate.controller.ledger.schema import ledger_entries
from lockgate.controller.store.database import StoreError, open_writer
from lockgate.controller.store.migrate import migrate
from lockgate.controller.store.tables import metadata


@pytest.fixture
def fresh(place):
    """The writer's engine on a store that does not exist yet."""
    engine = open_writer(place)
    yield engine
    engine.dispose()


def test_an_empty_store_gets_exactly_the_tables_of_the_code(fresh):
    """After migrating, nothing is left that the code has and the store has not."""
    migrate(fresh)
    with fresh.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_alert_numbers_are_never_used_again(fresh):
    """The outbox's cursor relies on it, so the table says AUTOINCREMENT in both places."""
    migrate(fresh)
    made = create_engine("sqlite://")
    metadata.create_all(made)
    query = "SELECT sql FROM sqlite_master WHERE name = 'alerts'"
    for engine in (fresh, made):
        with engine.connect() as connection:
            assert "AUTOINCREMENT" in connection.exec_driver_sql(query).scalar()


def test_migrating_twice_changes_nothing(fresh):
    """A start on a current store keeps what is in it."""
    migrate(fresh)
    with fresh.begin() as connection:
        connection.exec_driver_sql("INSERT INTO destinations (name) VALUES ('kept')")
    migrate(fresh)
    with fresh.connect() as connection:
        assert connection.exec_driver_sql("SELECT name FROM destinations").scalar() == "kept"


def test_a_store_of_the_first_version_is_brought_forward(fresh):
    """What it holds stays, and nothing is left to change."""
    migrate(fresh, "0001")
    assert "zones" not in inspect(fresh).get_table_names()
    with fresh.begin() as connection:
        connection.exec_driver_sql("INSERT INTO agents (host, enrolled_at) VALUES ('kept', 1)")
    migrate(fresh)
    with fresh.connect() as connection:
        assert connection.exec_driver_sql("SELECT host FROM agents").scalar() == "kept"
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_store_of_a_newer_version_is_refused(fresh):
    """An unknown revision is an error, and nothing is touched."""
    migrate(fresh)
    with fresh.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="cannot be migrated"):
        migrate(fresh)
    assert "verdicts" in inspect(fresh).get_table_names()


def test_entries_of_an_older_store_can_be_found(fresh):
    """What stands beside an entry is what a new one would have beside it."""
    migrate(fresh, "0006")
    said = {"kind": "guard", "time": "2026-11-21T12:00:00.000001Z", "host": "h", "zone": "z"}
    raw = [entry_bytes(said), entry_bytes({"kind": "k", "time": "t", "person": "p"})]
    old = table("ledger_entries", column("index"), column("entry"), column("leaf_hash"))
    with fresh.begin() as connection:
        for number, entry in enumerate(raw):
            values = {"index": number, "entry": entry, "leaf_hash": b"x"}
            connection.execute(insert(old).values(values))
    migrate(fresh)
    with fresh.connect() as connection:
        rows = connection.execute(
            select(ledger_entries).order_by(ledger_entries.c.index)
        ).mappings()
        found = [{name: row[name] for name in found_by(said)} for row in rows]
    assert found == [found_by(said), found_by({"kind": "k", "time": "t", "person": "p"})]
    assert found[0]["at"] == 1795262400000001

"""Migrations: from nothing to the tables in code, again without effect, never from the future."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect

import lockgate.controller.ledger.schema  # noqa: F401  (its tables are part of the metadata)
from lockgate.controller.store.database import StoreError, open_writer
from lockgate.controller.store.migrate import migrate
from lockgate.controller.store.schema import metadata


@pytest.fixture
def fresh(tmp_path):
    """The writer's engine on a file that does not exist yet."""
    engine = open_writer(tmp_path / "fresh.db")
    yield engine
    engine.dispose()


def test_an_empty_store_gets_exactly_the_tables_of_the_code(fresh):
    """After migrating, nothing is left that the code has and the store has not."""
    migrate(fresh)
    with fresh.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


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

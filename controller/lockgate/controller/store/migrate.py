"""Bringing a store to the newest schema, forward only.

Rules enforced here:

1. Every change of the schema is a migration in ``migrations/versions``; the tables in code
   and the migrated tables are compared by a test.
2. A store that a newer version has written is refused, never guessed at.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine

from lockgate.controller.store.database import StoreError, store_faults

_SCRIPTS = Path(__file__).parent / "migrations"


def migrate(engine: Engine, revision: str = "head") -> None:
    """Run what is missing up to ``revision``, in one transaction.

    Raises:
        StoreError: the store's schema is not one that this version knows.
    """
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    with store_faults(), engine.begin() as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, revision)
        except CommandError as error:
            raise StoreError(f"the store cannot be migrated: {error}") from None


def is_current(engine: Engine) -> bool:
    """Whether the store has the newest schema."""
    scripts = ScriptDirectory(str(_SCRIPTS))
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() in scripts.get_heads()

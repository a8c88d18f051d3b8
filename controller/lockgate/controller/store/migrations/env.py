"""Alembic's entry: migrations run on the connection that ``store.migrate`` has opened."""

from __future__ import annotations

from alembic import context

from lockgate.controller.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()

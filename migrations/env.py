"""Alembic's environment: one transaction a version, over the connection that `lango.db.migrate` prepared."""

from __future__ import annotations

from alembic import context

from lango.db.migrate import VERSION_SCHEMA

attributes = context.config.attributes
if "connection" not in attributes:
    raise SystemExit("Run migrations with `lango migrate`: it becomes lango_owner and takes the lock first.")

context.configure(
    connection=attributes["connection"],
    version_table_schema=VERSION_SCHEMA,
    transaction_per_migration=True,
    on_version_apply=attributes["applied"],
)
with context.begin_transaction():
    context.run_migrations()

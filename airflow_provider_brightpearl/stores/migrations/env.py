"""Runs migrations on the connection that ``stores.schema`` hands over, in its transaction."""

from __future__ import annotations

from alembic import context

from airflow_provider_brightpearl.stores.tables import metadata, version

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=version.name,
    # SQLite changes a column only by copying its table
    render_as_batch=True,
)
context.run_migrations()

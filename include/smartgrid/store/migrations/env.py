"""Alembic environment: runs on the connection that `smartgrid.store.migrate` hands over."""

from alembic import context

# Each module adds its tables to the metadata.
from smartgrid.store import (  # noqa: F401
    events,
    mining_tables,
    notification_tables,
    powerbi_tables,
    reporting_tables,
    routing_tables,
)
from smartgrid.store.models import Base

connection = context.config.attributes.get("connection")
if connection is None:
    from smartgrid.store.engine import engine

    connection = engine().connect()

context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True, compare_type=True)
with context.begin_transaction():
    context.run_migrations()

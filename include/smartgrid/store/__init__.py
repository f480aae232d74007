"""SQL results store: SQLAlchemy models, migrated by Alembic, on SQLite or PostgreSQL."""

from smartgrid.store.engine import migrate, session

__all__ = ["migrate", "session"]

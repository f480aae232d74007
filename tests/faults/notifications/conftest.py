"""A store, a receiver and workers that can be killed."""

from outbox_world import dsn as dsn
from outbox_world import migrated_sqlite as migrated_sqlite
from outbox_world import receiver as receiver
from outbox_world import world as world

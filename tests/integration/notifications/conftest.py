"""Servers that several modules share: started once."""

from notification_counterparts import _wiremock as _wiremock
from notification_counterparts import certificate as certificate
from notification_counterparts import wiremock as wiremock
from outbox_world import dsn as dsn
from outbox_world import migrated_sqlite as migrated_sqlite
from outbox_world import receiver as receiver
from outbox_world import world as world

"""Fixtures that several rooms share."""

from own_settings import configure as configure
from postgres_server import postgres_url as postgres_url

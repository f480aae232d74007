"""Fixtures that several rooms share."""

from postgres_server import postgres_url as postgres_url

"""The name under which Airflow's components find each other on one machine."""

from __future__ import annotations


def loopback() -> str:
    """Task logs are served on loopback only, so that is where this machine lives."""
    return "127.0.0.1"

"""Identifiers that stay the same each time the project is generated, so that a change shows only what changed."""

from __future__ import annotations

import uuid

NAME = "SmartGrid"
_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "smartgrid/powerbi")


def tag(*parts: str) -> str:
    """The GUID of what `parts` name."""
    return str(uuid.uuid5(_SPACE, "/".join(parts)))


def object_name(*parts: str) -> str:
    """The name of a page or visual as Power BI makes them: 20 hexadecimal digits."""
    return uuid.uuid5(_SPACE, "/".join(parts)).hex[:20]

"""JSON as every channel sends it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from smartgrid.notifications.errors import DeliveryFailed


def json_bytes(payload: Any) -> bytes:
    """Compact JSON in UTF-8. What JSON lacks becomes text: times, paths, decimals.

    >>> json_bytes({"zone": "Überlingen", "load_kw": 12.5})
    b'{"zone":"\\xc3\\x9cberlingen","load_kw":12.5}'

    Raises:
        DeliveryFailed: permanent, for what no JSON can say (not-a-number, half a surrogate pair, a circle).
    """
    try:
        text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"), default=_plain, allow_nan=False)
        return text.encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise DeliveryFailed("permanent", f"the payload cannot be written as JSON: {error}") from None


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else str(value)

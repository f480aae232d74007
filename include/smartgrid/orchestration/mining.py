"""The part of the forms that both mining pipelines have."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param


def window_params() -> dict[str, Any]:
    """`days` and `end` of the window."""
    return {
        "days": Param(
            None,
            type=["null", "integer"],
            minimum=14,
            maximum=3660,
            title="Window (days)",
            description="Empty: as the settings say.",
        ),
        "end": Param(
            None, type=["null", "string"], format="date-time", title="End", description="Empty: now (data time)."
        ),
    }

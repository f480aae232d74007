"""How a refresh can fail as an Airflow task."""

from __future__ import annotations

from typing import NoReturn

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from smartgrid.errors import SmartGridError


class RefreshUnfinished(SmartGridError, AirflowException):
    """No known end yet, or the service is away: a retry takes the same refresh up again."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(text)


class RefreshEnded(SmartGridError, AirflowFailException):
    """It ended otherwise than completed, or cannot work as things are set: a retry would only spend the budget."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(text)


def raise_for(text: str, exit_code: int) -> NoReturn:
    """The error that says whether a retry makes sense."""
    raise RefreshUnfinished(text) if exit_code == 1 else RefreshEnded(text)

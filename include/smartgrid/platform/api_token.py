"""A token for the APIs, from Airflow's own login."""

from __future__ import annotations

import requests

from smartgrid.errors import SmartGridError
from smartgrid.platform.errors import AirflowRefused, AirflowUnreachable
from smartgrid.platform.secrets import ensure_secrets
from smartgrid.settings import Settings

TIMEOUT_S = 20


class NoSuchUser(SmartGridError):
    """The platform has no password of this user."""

    exit_code = 2

    def __init__(self, user: str) -> None:
        self.user = user
        super().__init__(f"The platform has no user {user!r}. Its users are in HOME/secrets/airflow_passwords.json.")


def bearer_token(settings: Settings, user: str) -> str:
    """A token of `user`, as `POST /auth/token` of Airflow gives it.

    Raises:
        NoSuchUser, AirflowUnreachable, AirflowRefused
    """
    url = f"http://127.0.0.1:{settings.airflow_port}/auth/token"
    try:
        password = ensure_secrets(settings.home).password(user).get_secret_value()
    except KeyError:
        raise NoSuchUser(user) from None
    try:
        answer = requests.post(url, json={"username": user, "password": password}, timeout=TIMEOUT_S)
    except requests.RequestException as error:
        raise AirflowUnreachable(url, 0, type(error).__name__) from None
    if not answer.ok:
        raise AirflowRefused(url, answer.status_code, answer.text[:200])
    return str(answer.json()["access_token"])

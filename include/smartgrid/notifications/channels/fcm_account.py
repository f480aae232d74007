"""The service account that FCM is called with."""

from __future__ import annotations

import functools
import threading
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from smartgrid.notifications.errors import DeliveryFailed

if TYPE_CHECKING:
    from google.oauth2.service_account import Credentials

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"


class ServiceAccount:
    """A service account and its access token, renewed before it expires."""

    def __init__(self, credentials: Credentials) -> None:
        import google.auth.transport.requests

        self._credentials = credentials
        self._request = google.auth.transport.requests.Request()
        self._lock = threading.Lock()

    @property
    def project(self) -> str:
        project = self._credentials.project_id
        if not project:
            raise DeliveryFailed("configuration", "the service account file names no project: set FCM_PROJECT_ID")
        return str(project)

    def access_token(self, timeout_s: float) -> str:
        """Raises DeliveryFailed: retry where Google cannot be asked, configuration where it refuses the account."""
        from google.auth.exceptions import GoogleAuthError, RefreshError

        with self._lock:
            if not self._credentials.valid:
                try:
                    self._credentials.refresh(functools.partial(self._request, timeout=timeout_s))
                except RefreshError as error:
                    if error.retryable:
                        raise DeliveryFailed("retry", "Google's token service has a problem of its own") from None
                    said = str(error.args[0]) if error.args else ""
                    reason = f"Google refuses the service account: {said}"
                    raise DeliveryFailed("configuration", reason) from None
                except GoogleAuthError as error:
                    raise DeliveryFailed("retry", f"no access token from Google: {type(error).__name__}") from None
            return str(self._credentials.token)

    def forget_token(self) -> None:
        with self._lock:
            self._credentials.token = None


@lru_cache(maxsize=8)
def service_account(_process: int, path: Path) -> ServiceAccount:
    """The account of a key file, one for each process.

    Raises:
        DeliveryFailed: configuration, where the file is no key of a service account.
    """
    from google.auth.exceptions import GoogleAuthError
    from google.oauth2.service_account import Credentials

    try:
        return ServiceAccount(Credentials.from_service_account_file(str(path), scopes=[SCOPE]))
    except (OSError, ValueError, KeyError, GoogleAuthError) as error:
        reason = f"GOOGLE_APPLICATION_CREDENTIALS: {path} is no key file of a service account ({type(error).__name__})"
        raise DeliveryFailed("configuration", reason) from None

"""The signed token by which Apple knows a sender
(https://developer.apple.com/documentation/usernotifications/establishing-a-token-based-connection-to-apns)."""

from __future__ import annotations

import threading
import time
from functools import lru_cache
from pathlib import Path

from smartgrid.notifications.errors import DeliveryFailed

# Apple refuses tokens older than an hour, and new ones more often than every 20 minutes.
TOKEN_LIFE_S = 50 * 60


class ProviderToken:
    """The signed token of one key, shared by all channels and threads of the process for 50 minutes."""

    def __init__(self, key: str, key_id: str, team_id: str) -> None:
        self._key, self._key_id, self._team_id = key, key_id, team_id
        self._lock = threading.Lock()
        self._token, self._made_at = "", float("-inf")

    def current(self) -> str:
        with self._lock:
            if time.monotonic() - self._made_at > TOKEN_LIFE_S:
                self._make()
            return self._token

    def renewed(self) -> str:
        """A new token, unless another thread has just made one."""
        with self._lock:
            if time.monotonic() - self._made_at > 60:
                self._make()
            return self._token

    def _make(self) -> None:
        import jwt

        claims = {"iss": self._team_id, "iat": int(time.time())}
        try:
            self._token = jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": self._key_id})
        except (ValueError, TypeError, jwt.PyJWTError) as error:
            raise _bad_key(type(error).__name__) from None
        self._made_at = time.monotonic()


@lru_cache(maxsize=8)
def provider_token(_process: int, path: Path, key_id: str, team_id: str) -> ProviderToken:
    """The token of a .p8 file, one for each process.

    Raises:
        DeliveryFailed: configuration, where the file cannot be read.
    """
    try:
        return ProviderToken(path.read_text(), key_id, team_id)
    except (OSError, UnicodeDecodeError) as error:
        raise _bad_key(type(error).__name__) from None


def _bad_key(problem: str) -> DeliveryFailed:
    return DeliveryFailed("configuration", f"APNS_KEY_PATH does not name a readable .p8 key ({problem})")

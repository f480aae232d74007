"""Secrets of receivers are stored encrypted (Fernet); the keys come from the settings or from `HOME/secrets`."""

from __future__ import annotations

from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from smartgrid.errors import ConfigurationError
from smartgrid.notifications.errors import SecretUnreadable
from smartgrid.notifications.private_file import made_once
from smartgrid.settings import Settings

KEY_FILE = "outbox.key"


def encrypt(secret: SecretStr, settings: Settings) -> bytes:
    return _cipher(settings).encrypt(secret.get_secret_value().encode("utf-8"))


def decrypt(ciphertext: bytes, what: str, settings: Settings) -> SecretStr:
    """The secret; `what` names it in the error.

    Raises:
        SecretUnreadable: encrypted with a key that is not among ours.
    """
    try:
        return SecretStr(_cipher(settings).decrypt(ciphertext).decode("utf-8"))
    except InvalidToken:
        raise SecretUnreadable(what) from None


def _cipher(settings: Settings) -> MultiFernet:
    configured = settings.outbox.keys
    if configured is not None:
        return _cipher_of(configured.get_secret_value())
    return _cipher_of(made_once(settings.home / "secrets" / KEY_FILE, _new_key))


@lru_cache(maxsize=4)
def _cipher_of(keys: str) -> MultiFernet:
    try:
        return MultiFernet([Fernet(key.strip()) for key in keys.split(",")])
    except ValueError:
        raise ConfigurationError(
            ["outbox.keys: each key is 32 bytes in URL-safe base64, as `Fernet.generate_key()` makes them"]
        ) from None


def _new_key() -> str:
    return Fernet.generate_key().decode("ascii")

"""Secrets of receivers are stored encrypted (Fernet); the keys come from the settings or from `HOME/secrets`."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from smartgrid.errors import ConfigurationError
from smartgrid.notifications.errors import SecretUnreadable
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
    keys = configured.get_secret_value() if configured is not None else _own_key(settings.home / "secrets")
    return _cipher_of(keys)


@lru_cache(maxsize=4)
def _cipher_of(keys: str) -> MultiFernet:
    try:
        return MultiFernet([Fernet(key.strip()) for key in keys.split(",")])
    except ValueError:
        raise ConfigurationError(
            ["outbox.keys: each key is 32 bytes in URL-safe base64, as `Fernet.generate_key()` makes them"]
        ) from None


def _own_key(folder: Path) -> str:
    """The key of this home, made on first use, readable by the owner only."""
    path = folder / KEY_FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = folder / f".{KEY_FILE}.{os.getpid()}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key())
            file.flush()
            os.fsync(file.fileno())
        try:
            # A link, not a rename: of two processes that start together, the second must use the first one's key.
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    return path.read_text(encoding="ascii").strip()

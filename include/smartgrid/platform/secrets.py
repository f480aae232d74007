"""Secrets that the platform makes for itself on first use: `HOME/secrets`, readable by the owner only."""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

# Users of the platform and their roles in Airflow; orchestration/api_auth.py has what these are called in our APIs.
USERS = {"admin": "admin", "approver": "op", "operator": "user", "viewer": "viewer"}


@dataclass(frozen=True)
class PlatformSecrets:
    """Airflow's keys and where the passwords of its users are."""

    fernet_key: SecretStr
    api_secret_key: SecretStr
    jwt_secret: SecretStr
    passwords_file: Path

    def password(self, user: str) -> SecretStr:
        passwords: dict[str, str] = json.loads(self.passwords_file.read_text(encoding="utf-8"))
        return SecretStr(passwords[user])


def ensure_secrets(home: Path) -> PlatformSecrets:
    """Read the secrets, making those that are missing. Existing ones never change."""
    folder = home / "secrets"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    keys = _ensure(
        folder / "airflow.json",
        {
            "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "api_secret_key": secrets.token_urlsafe(48),
            # HS512 wants a key at least as long as its digest.
            "jwt_secret": secrets.token_urlsafe(72),
        },
    )
    passwords_file = folder / "airflow_passwords.json"
    _ensure(passwords_file, {user: secrets.token_urlsafe(15) for user in USERS})
    return PlatformSecrets(
        fernet_key=SecretStr(keys["fernet_key"]),
        api_secret_key=SecretStr(keys["api_secret_key"]),
        jwt_secret=SecretStr(keys["jwt_secret"]),
        passwords_file=passwords_file,
    )


def _ensure(path: Path, fresh: dict[str, str]) -> dict[str, str]:
    """Content of a private JSON file with at least the keys of `fresh`."""
    known: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    complete = fresh | known
    if complete != known:
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(complete, file)
        os.replace(temporary, path)
    path.chmod(0o600)
    return complete

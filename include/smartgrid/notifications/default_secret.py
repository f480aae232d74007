"""The secret that signs for receivers without one of their own, so that no message leaves unsigned."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from smartgrid.channel_settings import Channels
from smartgrid.notifications.errors import DeliveryFailed
from smartgrid.notifications.private_file import made_once
from smartgrid.notifications.signing import new_secret
from smartgrid.settings import Settings

SECRET_FILE = "webhook.secret"  # noqa: S105 - the name of a file


def secret_file(home: Path) -> Path:
    return home / "secrets" / SECRET_FILE


def default_secret(settings: Settings) -> SecretStr:
    """The secret of the settings, else the one of this home, made on first use.

    Raises:
        DeliveryFailed: it can be neither read nor made.
    """
    return settings.channels.webhook.secret or _of_home(settings.home)


def signing_channels(channels: Channels, home: Path) -> Channels:
    """`channels` with a default secret in any case.

    Raises:
        DeliveryFailed: as `default_secret`.
    """
    if channels.webhook.secret is not None:
        return channels
    webhook = channels.webhook.model_copy(update={"secret": _of_home(home)})
    return channels.model_copy(update={"webhook": webhook})


def _of_home(home: Path) -> SecretStr:
    path = secret_file(home)
    try:
        return SecretStr(made_once(path, new_secret))
    except OSError as error:
        problem = f"the signing secret {path} can be neither read nor made: {error.strerror}"
        raise DeliveryFailed("retry", problem) from None

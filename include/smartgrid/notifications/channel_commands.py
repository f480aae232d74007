"""`smartgrid notifications secret`, `vapid-keys` and `channels`: what receivers and channels need."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from smartgrid.channel_settings import Channels


def add_channel_commands(app: typer.Typer) -> None:
    app.command("vapid-keys")(vapid_keys_command)
    app.command("channels")(channels_command)
    app.command("secret")(secret_command)


def vapid_keys_command(
    output: Annotated[
        Path | None, typer.Option(help="Write the private key here (mode 600) and do not print it.")
    ] = None,
) -> None:
    """Make the key pair for Web Push. Browsers that subscribed with another pair must subscribe again."""
    from smartgrid.errors import ConfigurationError
    from smartgrid.notifications.webpush_keys import new_vapid_keys

    keys = new_vapid_keys()
    private = keys.private_key.get_secret_value()
    if output is None:
        typer.echo(f"export VAPID_PRIVATE_KEY={private}")
    else:
        try:
            output.touch(mode=0o600, exist_ok=False)  # a key that is in use is never written over
            output.write_text(private + "\n", encoding="ascii")
        except OSError as error:
            raise ConfigurationError([f"--output {output}: {error.strerror}"]) from None
        typer.echo(f"export VAPID_PRIVATE_KEY={output.resolve()}")
    typer.echo(f"# for applicationServerKey of the browser: {keys.public_key}", err=True)


def channels_command() -> None:
    """Show which channels can send, and what the others lack."""
    from smartgrid.settings import get_settings

    for name, missing in _missing(get_settings().channels).items():
        typer.echo(f"{name:<12} {'ready' if not missing else 'needs ' + ', '.join(missing)}")


def secret_command() -> None:
    """Print the secret with which receivers check webhooks, unless they are registered with one of their own."""
    from smartgrid.notifications.default_secret import default_secret, secret_file
    from smartgrid.notifications.signing import receiver_secret
    from smartgrid.settings import get_settings

    settings = get_settings()
    typer.echo(receiver_secret(default_secret(settings)))
    configured = settings.channels.webhook.secret is not None
    typer.echo(f"# from {'WEBHOOK_SECRET' if configured else secret_file(settings.home)}", err=True)


def _missing(channels: Channels) -> dict[str, list[str]]:
    """What each way of sending still needs, under the names that users know."""
    twilio, apns, webpush, smtp = channels.twilio, channels.apns, channels.webpush, channels.smtp
    needed: dict[str, dict[str, object]] = {
        "webhook": {},
        "sms/twilio": {
            "TWILIO_ACCOUNT_SID": twilio.account_sid,
            "TWILIO_AUTH_TOKEN": twilio.auth_token,
            "TWILIO_PHONE_NUMBER": twilio.phone_number or twilio.messaging_service_sid,
        },
        "sms/aws_sns": {"AWS_SNS_REGION": channels.aws_sns.region},
        "push/fcm": {"GOOGLE_APPLICATION_CREDENTIALS": channels.fcm.service_account_file},
        "push/apns": {
            "APNS_KEY_PATH": apns.key_path,
            "APNS_KEY_ID": apns.key_id,
            "APNS_TEAM_ID": apns.team_id,
            "APNS_BUNDLE_ID": apns.bundle_id,
        },
        "push/webpush": {"VAPID_PRIVATE_KEY": webpush.vapid_private_key, "VAPID_EMAIL": webpush.vapid_subject},
        "email": {"SMTP_HOST": smtp.host, "SMTP_FROM": smtp.sender},
    }
    return {name: [variable for variable, value in names.items() if not value] for name, names in needed.items()}

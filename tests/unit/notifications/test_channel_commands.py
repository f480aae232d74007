"""What people see of the channels on the command line."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import typer
from own_settings import Configure
from pydantic import SecretStr
from typer.testing import CliRunner

from smartgrid.channel_settings import WELL_KNOWN_NAMES
from smartgrid.notifications.channel_commands import add_channel_commands
from smartgrid.notifications.default_secret import default_secret, secret_file
from smartgrid.notifications.errors import DeliveryFailed
from smartgrid.notifications.signing import signing_key
from smartgrid.notifications.webpush_keys import vapid_public_key

app = typer.Typer()
add_channel_commands(app)


def test_a_key_for_web_push_is_printed_as_a_line_for_the_shell() -> None:
    result = CliRunner().invoke(app, ["vapid-keys"])
    private = result.stdout.strip().removeprefix("export VAPID_PRIVATE_KEY=")
    assert vapid_public_key(SecretStr(private)) in result.stderr


def test_a_key_in_a_file_is_its_owner_s_alone_and_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "vapid.key"
    result = CliRunner().invoke(app, ["vapid-keys", "--output", str(path)])
    assert str(path) in result.stdout
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = path.read_text()
    assert key.strip() not in result.output
    assert CliRunner().invoke(app, ["vapid-keys", "--output", str(path)]).exit_code != 0
    assert path.read_text() == key
    assert vapid_public_key(SecretStr(str(path))) == vapid_public_key(SecretStr(key))


def test_each_channel_tells_what_it_needs(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in WELL_KNOWN_NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SMTP_HOST", "mail.example")
    monkeypatch.setenv("AWS_SNS_REGION", "us-east-1")
    monkeypatch.setenv("VAPID_PRIVATE_KEY", "s3cret")
    configure()
    lines = dict(line.split(maxsplit=1) for line in CliRunner().invoke(app, ["channels"]).stdout.splitlines())
    assert lines["sms/aws_sns"] == "ready"
    assert lines["email"] == "needs SMTP_FROM"
    assert lines["push/webpush"] == "needs VAPID_EMAIL"
    assert "TWILIO_AUTH_TOKEN" in lines["sms/twilio"]
    assert "s3cret" not in str(lines)


def test_the_secret_of_webhooks_is_made_once_and_is_its_owner_s_alone(configure: Configure) -> None:
    path = secret_file(configure().home)
    assert not path.exists()
    first, second = (CliRunner().invoke(app, ["secret"]) for _ in range(2))
    assert first.stdout == second.stdout == path.read_text() + "\n"
    assert len(signing_key(first.stdout.strip())) == 32
    assert str(path) in first.stderr
    assert first.stdout.strip() not in first.stderr
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)


def test_a_secret_of_the_settings_is_shown_as_receivers_take_it(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", "webhook-secret-key")
    settings = configure()
    assert CliRunner().invoke(app, ["secret"]).stdout == "whsec_d2ViaG9vay1zZWNyZXQta2V5\n"
    assert not secret_file(settings.home).exists()


def test_two_that_need_the_secret_at_once_get_the_same(configure: Configure) -> None:
    settings = configure()
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: default_secret(settings).get_secret_value(), range(32)))
    assert len(made) == 1
    assert [path.name for path in secret_file(settings.home).parent.iterdir()] == [secret_file(settings.home).name]


def test_a_secret_that_cannot_be_made_is_named_without_its_content(configure: Configure) -> None:
    settings = configure()
    secret_file(settings.home).mkdir(parents=True)
    with pytest.raises(DeliveryFailed, match=r"webhook\.secret can be neither read nor made") as caught:
        default_secret(settings)
    assert caught.value.kind == "retry"

"""What people see of the channels on the command line."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import typer
from own_settings import Configure
from pydantic import SecretStr
from typer.testing import CliRunner

from smartgrid.channel_settings import WELL_KNOWN_NAMES
from smartgrid.notifications.channel_commands import add_channel_commands
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

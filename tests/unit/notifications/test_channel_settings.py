"""Settings of the channels, under the names that their users know."""

from __future__ import annotations

import pytest
from own_settings import Configure

from smartgrid.channel_settings import WELL_KNOWN_NAMES, Channels
from smartgrid.errors import ConfigurationError
from smartgrid.settings import load_settings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in WELL_KNOWN_NAMES:
        monkeypatch.delenv(name, raising=False)


def test_the_names_of_the_providers_are_read(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "TWILIO_ACCOUNT_SID": "AC1", "TWILIO_AUTH_TOKEN": "s3cret", "TWILIO_PHONE_NUMBER": "+1234567890",
        "AWS_SNS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "s3cret",
        "FCM_SERVER_KEY": "s3cret", "FCM_PROJECT_ID": "grid", "APNS_KEY_PATH": "/keys/apns.p8", "APNS_KEY_ID": "K",
        "APNS_TEAM_ID": "T", "APNS_BUNDLE_ID": "com.smartgrid.app", "APNS_USE_SANDBOX": "true",
        "VAPID_PRIVATE_KEY": "s3cret", "VAPID_EMAIL": "mailto:admin@smartgrid.local", "SMS_PROVIDER": "aws_sns,twilio",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    settings = configure().channels
    assert settings.twilio.configured
    assert settings.aws_sns.configured
    assert settings.apns.use_sandbox is True
    assert settings.sms.providers == ("aws_sns", "twilio")
    assert "s3cret" not in repr(settings) + settings.model_dump_json()


def test_every_well_known_name_is_a_setting() -> None:
    for variable, (group, name) in WELL_KNOWN_NAMES.items():
        assert name in type(getattr(Channels(), group)).model_fields, variable


def test_the_project_s_own_name_wins(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTP_HOST", "general.example")
    monkeypatch.setenv("SMARTGRID_CHANNELS__SMTP__HOST", "own.example")
    assert load_settings().channels.smtp.host == "own.example"


def test_an_empty_variable_counts_as_not_set(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SNS_REGION", "")
    monkeypatch.setenv("SMTP_PORT", "")
    assert configure().channels.aws_sns.region is None


@pytest.mark.parametrize("text", ["10.0.0.0/8, scada.example", '["10.0.0.0/8", "scada.example"]'])
def test_lists_are_written_with_commas_or_as_json(
    monkeypatch: pytest.MonkeyPatch, text: str, configure: Configure
) -> None:
    configure()
    monkeypatch.setenv("SMARTGRID_CHANNELS__EGRESS__ALLOW", text)
    assert load_settings().channels.egress.allow == ("10.0.0.0/8", "scada.example")


def test_wrong_values_are_told_with_their_name(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    configure()
    monkeypatch.setenv("SMTP_PORT", "many")
    monkeypatch.setenv("SMS_PROVIDER", "pigeon")
    monkeypatch.setenv("VAPID_EMAIL", "admin")
    monkeypatch.setenv("SMARTGRID_CHANNELS__TWILIO__AUTH_TOKEM", "x")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    for name in ("SMTP__PORT", "SMS__PROVIDERS", "WEBPUSH__VAPID_SUBJECT", "TWILIO__AUTH_TOKEM"):
        assert f"SMARTGRID_CHANNELS__{name}" in str(caught.value)


def test_a_bare_e_mail_address_identifies_the_sender_of_web_push(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure()
    monkeypatch.setenv("VAPID_EMAIL", "admin@smartgrid.example")
    assert load_settings().channels.webpush.vapid_subject == "mailto:admin@smartgrid.example"

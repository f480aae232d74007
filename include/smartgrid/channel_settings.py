"""Settings of the notification channels, and the names by which their users know them.

Everything is `SMARTGRID_CHANNELS__<GROUP>__<NAME>` in the environment and `[channels.<group>]` in TOML, like any other
setting. The names that the providers' own documentation uses (TWILIO_AUTH_TOKEN, VAPID_PRIVATE_KEY, ...) work, too.
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource

SmsProvider = Literal["twilio", "aws_sns"]

_GROUP = ConfigDict(extra="forbid", frozen=True)
_TIMEOUT_S = Field(10.0, gt=0, le=60, description="seconds that one request may take")


class Egress(BaseModel):
    """Which addresses webhooks and Web Push may reach: they are given by users, so private networks are closed."""

    model_config = _GROUP

    allow: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="networks (10.20.0.0/16) and hosts (scada.example, *.example) beside the public internet"
    )
    ca_file: Path | None = Field(
        None, description="PEM file of authorities trusted beside the system's, for webhooks, push and e-mail"
    )

    @field_validator("allow", mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        return _listed(value)

    @field_validator("allow")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            if "/" in entry:
                try:
                    ipaddress.ip_network(entry)
                except ValueError as error:
                    raise ValueError(f"{entry} is not a network, as 10.20.0.0/16 is ({error})") from None
        return value


class Webhook(BaseModel):
    """Webhooks, signed by the Standard Webhooks specification."""

    model_config = _GROUP

    secret: SecretStr | None = Field(
        None, min_length=1, description="signs for receivers that are not registered with secrets of their own"
    )
    timeout_s: float = Field(15.0, gt=0, le=60, description="seconds that one request may take, connecting included")
    response_limit_bytes: int = Field(65_536, ge=1024, description="more of an answer is not read")


class Sms(BaseModel):
    """What both SMS providers share."""

    model_config = _GROUP

    providers: Annotated[tuple[SmsProvider, ...], NoDecode] = Field(
        (), description="in order of preference; empty: every configured one, Twilio first"
    )
    max_segments: int = Field(6, ge=1, le=10, description="longer texts are shortened to this many SMS")
    validity_s: int = Field(14_400, ge=1, le=36_000, description="an SMS that still waits after this is dropped")

    @field_validator("providers", mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        return _listed(value)


class Twilio(BaseModel):
    """SMS over Twilio."""

    model_config = _GROUP

    account_sid: str | None = None
    auth_token: SecretStr | None = None
    phone_number: str | None = Field(None, description="sender: a number of the account in E.164, or a sender id")
    messaging_service_sid: str | None = Field(None, description="sender pool; used instead of the phone number")
    status_callback_url: str | None = Field(None, description="public address of this service's Twilio callback")
    base_url: str = Field("https://api.twilio.com", description="API address")
    timeout_s: float = _TIMEOUT_S

    @property
    def configured(self) -> bool:
        return self.account_sid is not None and self.auth_token is not None


class AwsSns(BaseModel):
    """SMS over AWS SNS. Without keys, boto3 finds credentials as it always does (role, profile)."""

    model_config = _GROUP

    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None
    sender_id: str | None = Field(None, max_length=11, description="name shown as sender, where the country allows it")
    base_url: str | None = Field(None, description="API address; default that of the region")
    timeout_s: float = _TIMEOUT_S

    @property
    def configured(self) -> bool:
        return self.region is not None


class Fcm(BaseModel):
    """Push over Firebase Cloud Messaging, HTTP v1."""

    model_config = _GROUP

    project_id: str | None = Field(None, description="default: the project of the service account")
    service_account_file: Path | None = Field(None, description="JSON key file of a service account")
    server_key: SecretStr | None = Field(None, description="of the legacy API, which is gone; only for a clear message")
    base_url: str = Field("https://fcm.googleapis.com", description="API address")
    timeout_s: float = _TIMEOUT_S


class Apns(BaseModel):
    """Push over Apple's service with a token signing key."""

    model_config = _GROUP

    key_path: Path | None = Field(None, description="the .p8 file")
    key_id: str | None = None
    team_id: str | None = None
    bundle_id: str | None = None
    use_sandbox: bool = False
    base_url: str | None = Field(None, description="API address; default Apple's, by use_sandbox")
    timeout_s: float = _TIMEOUT_S


class WebPush(BaseModel):
    """Push to browsers, identified by VAPID."""

    model_config = _GROUP

    vapid_private_key: SecretStr | None = Field(
        None, description="base64url, PEM or a file; `smartgrid notifications vapid-keys` makes one"
    )
    vapid_subject: str | None = Field(None, description="mailto: or https: address for the push services' operators")
    ttl_s: int = Field(86_400, ge=0, description="a push service keeps a message this long for a closed browser")
    timeout_s: float = _TIMEOUT_S

    @field_validator("vapid_subject")
    @classmethod
    def _contact(cls, value: str | None) -> str | None:
        if value is None or value.startswith(("mailto:", "https://")):
            return value
        if "@" in value:
            return f"mailto:{value}"
        raise ValueError("needs a mailto: or https: address")


class Smtp(BaseModel):
    """E-mail over SMTP."""

    model_config = _GROUP

    host: str | None = None
    port: int = Field(587, ge=1, le=65_535)
    security: Literal["starttls", "tls", "none"] = Field("starttls", description="tls: from the first byte (port 465)")
    username: str | None = None
    password: SecretStr | None = None
    sender: str | None = Field(None, description='"Grid alerts <alerts@example.org>"')
    timeout_s: float = _TIMEOUT_S


class Channels(BaseModel):
    """Every channel of the notifications."""

    model_config = _GROUP

    egress: Egress = Field(default_factory=Egress)
    webhook: Webhook = Field(default_factory=Webhook)
    sms: Sms = Field(default_factory=Sms)
    twilio: Twilio = Field(default_factory=Twilio)
    aws_sns: AwsSns = Field(default_factory=AwsSns)
    fcm: Fcm = Field(default_factory=Fcm)
    apns: Apns = Field(default_factory=Apns)
    webpush: WebPush = Field(default_factory=WebPush)
    smtp: Smtp = Field(default_factory=Smtp)


# Variable of the environment -> group and name here.
WELL_KNOWN_NAMES: dict[str, tuple[str, str]] = {
    "TWILIO_ACCOUNT_SID": ("twilio", "account_sid"),
    "TWILIO_AUTH_TOKEN": ("twilio", "auth_token"),
    "TWILIO_PHONE_NUMBER": ("twilio", "phone_number"),
    "TWILIO_MESSAGING_SERVICE_SID": ("twilio", "messaging_service_sid"),
    "TWILIO_STATUS_CALLBACK_URL": ("twilio", "status_callback_url"),
    "AWS_SNS_REGION": ("aws_sns", "region"),
    "AWS_SNS_SENDER_ID": ("aws_sns", "sender_id"),
    "AWS_ACCESS_KEY_ID": ("aws_sns", "access_key_id"),
    "AWS_SECRET_ACCESS_KEY": ("aws_sns", "secret_access_key"),
    "AWS_SESSION_TOKEN": ("aws_sns", "session_token"),
    "AWS_ENDPOINT_URL_SNS": ("aws_sns", "base_url"),
    "FCM_PROJECT_ID": ("fcm", "project_id"),
    "GOOGLE_APPLICATION_CREDENTIALS": ("fcm", "service_account_file"),
    "FCM_SERVER_KEY": ("fcm", "server_key"),
    "APNS_KEY_PATH": ("apns", "key_path"),
    "APNS_KEY_ID": ("apns", "key_id"),
    "APNS_TEAM_ID": ("apns", "team_id"),
    "APNS_BUNDLE_ID": ("apns", "bundle_id"),
    "APNS_USE_SANDBOX": ("apns", "use_sandbox"),
    "VAPID_PRIVATE_KEY": ("webpush", "vapid_private_key"),
    "VAPID_EMAIL": ("webpush", "vapid_subject"),
    "SMTP_HOST": ("smtp", "host"),
    "SMTP_PORT": ("smtp", "port"),
    "SMTP_SECURITY": ("smtp", "security"),
    "SMTP_USERNAME": ("smtp", "username"),
    "SMTP_PASSWORD": ("smtp", "password"),
    "SMTP_FROM": ("smtp", "sender"),
    "SMS_PROVIDER": ("sms", "providers"),
    "WEBHOOK_SECRET": ("webhook", "secret"),
}


class WellKnownNames(PydanticBaseSettingsSource):
    """Reads the providers' own variables. An empty one counts as not set: compose files pass them on so."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False  # asked for by the base class; `__call__` gives all at once

    def __call__(self) -> dict[str, Any]:
        groups: dict[str, dict[str, str]] = {}
        for variable, (group, name) in WELL_KNOWN_NAMES.items():
            value = os.environ.get(variable)
            if value:
                groups.setdefault(group, {})[name] = value
        return {"channels": groups} if groups else {}


def _listed(value: object) -> object:
    """`a, b` of the environment as a list; a JSON list and a list of TOML stay what they are."""
    if not isinstance(value, str):
        return value
    return [word for word in (part.strip(" \"'") for part in value.strip("[] ").split(",")) if word]

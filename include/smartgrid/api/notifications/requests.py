"""What callers ask for, and what of it is refused."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from smartgrid.clock import wall_clock
from smartgrid.notifications.channel import ChannelName, Platform, Priority
from smartgrid.notifications.lanes import ENDPOINT_PREFIX, SUBSCRIPTION_PREFIX
from smartgrid.notifications.model import NewNotification, Target
from smartgrid.notifications.signing import BadWebhookSecret, signing_key

LONGEST_DATA_BYTES = 16 * 1024
DEEPEST_DATA = 16
MOST_IN_A_BATCH = 1000
LATEST = timedelta(days=30)

IDEMPOTENCY_KEY = re.compile(r"^[\x21-\x7e]{1,256}$")

_E164 = re.compile(r"\+[1-9]\d{6,14}")
_EMAIL = re.compile(r"[^\s@<>,;:\"\\]{1,64}@[^\s@<>,;:\"\\]{1,190}")
# What no channel can show: control characters except line feed and tab.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def _one_line(text: str) -> str:
    """Subjects become headers of messages: a line break in one would add headers."""
    if not text.isprintable():
        raise PydanticCustomError("one_line", "is one line without control characters")
    return text


def _printable(text: str) -> str:
    text = text.replace("\r\n", "\n")
    if _CONTROL.search(text):
        raise PydanticCustomError("control_characters", "has control characters")
    return text


def _plain_data(data: dict[str, Any]) -> dict[str, Any]:
    try:
        text = json.dumps(data, allow_nan=False, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise PydanticCustomError(
            "not_json", "is not JSON: it has a number without value, or half a character"
        ) from None
    if len(text) > LONGEST_DATA_BYTES:
        raise PydanticCustomError("data_too_long", "has more than {most} bytes", {"most": LONGEST_DATA_BYTES})
    if b"\\u0000" in text or _depth(data) > DEEPEST_DATA:
        raise PydanticCustomError("data_shape", "has a zero character or is nested too deeply")
    return data


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


def web_address(text: str) -> str:
    """An http(s) address with a host and without user or password."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or not text.isascii() or not text.isprintable() or " " in text:
        raise PydanticCustomError("web_address", "is not an address such as https://example.com/hook")
    if "@" in parts.netloc:
        raise PydanticCustomError("web_address", "has a user or password in it: register an endpoint with a secret")
    return text


Subject = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
Message = Annotated[str, Field(min_length=1, max_length=10_000), AfterValidator(_printable)]
Data = Annotated[dict[str, Any], AfterValidator(_plain_data)]
Label = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_one_line)]
WebAddress = Annotated[str, Field(max_length=2048), AfterValidator(web_address)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SendRequest(Strict):
    """One message to one recipient."""

    recipient: Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_one_line)] = Field(
        description="webhook: address or endpoint (ep_...); sms: number in E.164; email: address; push: device token "
        "(for FCM also fid:...) or subscription (sub_...)"
    )
    type: ChannelName
    message: Message
    subject: Subject | None = None
    priority: Priority = "medium"
    platform: Platform | None = Field(None, description="push only; default fcm")
    data: Data = Field(default_factory=dict, description="facts for the receiver, at most 16 KiB of JSON")
    not_before: AwareDatetime | None = Field(None, description="held back until then, at most 30 days")
    expires_at: AwareDatetime | None = Field(None, description="a dead letter if it is not delivered by then")

    @model_validator(mode="after")
    def _fits(self) -> SendRequest:
        problem = _recipient_problem(self.type, self.platform, self.recipient)
        if problem is not None:
            raise PydanticCustomError("recipient", "{problem}", {"problem": problem})
        if self.platform is not None and self.type != "push":
            raise PydanticCustomError("platform", "only push has one")
        if self.not_before is not None and self.not_before > wall_clock() + LATEST:
            raise PydanticCustomError("not_before", "at most 30 days ahead")
        if self.expires_at is not None and self.expires_at <= (self.not_before or wall_clock()):
            raise PydanticCustomError("expires_at", "is in the past, or not after not_before")
        return self

    def notification(self, by: str) -> NewNotification:
        platform: Platform | None = self.platform or ("fcm" if self.type == "push" else None)
        return NewNotification(
            message=self.message,
            targets=(Target(self.type, self.recipient, platform),),
            subject=self.subject,
            priority=self.priority,
            data=self.data,
            not_before=self.not_before,
            expires_at=self.expires_at,
            created_by=by,
        )


def _recipient_problem(channel: ChannelName, platform: Platform | None, recipient: str) -> str | None:
    if channel == "webhook":
        if recipient.startswith(ENDPOINT_PREFIX):
            return None
        try:
            web_address(recipient)
        except PydanticCustomError as error:
            return f"{error.message()}, and not the id of an endpoint (ep_...)"
        return None
    if channel == "sms":
        return None if _E164.fullmatch(recipient) else "is not a number in E.164, such as +14155550100"
    if channel == "email":
        return None if _EMAIL.fullmatch(recipient) else "is not an e-mail address"
    if platform == "webpush" and not recipient.startswith(SUBSCRIPTION_PREFIX):
        return "a browser is named by the id of its subscription (sub_...)"
    return None if " " not in recipient else "a device token has no spaces"


class BatchRequest(Strict):
    """Several messages: all are accepted, or none."""

    notifications: list[SendRequest] = Field(min_length=1, max_length=MOST_IN_A_BATCH)


class ReplayRequest(Strict):
    """Which dead letters are sent again; at least one condition, so that nobody replays everything by accident."""

    channel: ChannelName | None = None
    recipient: str | None = Field(None, max_length=4096)
    lane: str | None = Field(None, max_length=256)
    reason_contains: str | None = Field(None, min_length=1, max_length=200)
    died_after: AwareDatetime | None = None
    died_before: AwareDatetime | None = None
    include_ambiguous: bool = Field(False, description="also those that may have been sent already")
    limit: int = Field(1000, ge=1, le=10_000)

    @model_validator(mode="after")
    def _says_which(self) -> ReplayRequest:
        if not self.model_dump(exclude={"include_ambiguous", "limit"}, exclude_none=True):
            raise PydanticCustomError("which", "say which: channel, recipient, lane, reason_contains or a time")
        return self


class NewEndpoint(Strict):
    """A webhook receiver."""

    name: Label
    url: WebAddress
    secret: SecretStr | None = Field(None, description="whsec_ with base64, or a text; default: made for you")

    @model_validator(mode="after")
    def _signs(self) -> NewEndpoint:
        check_secret(self.secret)
        return self


class EndpointChange(Strict):
    """What is to change about an endpoint."""

    url: WebAddress | None = None
    enabled: bool | None = None


class Rotation(Strict):
    """A new secret; the old one signs, too, for `overlap_s`."""

    secret: SecretStr | None = None
    overlap_s: float | None = Field(None, ge=0, le=30 * 86_400, description="default: outbox.secret_overlap_s")

    @model_validator(mode="after")
    def _signs(self) -> Rotation:
        check_secret(self.secret)
        return self


def check_secret(secret: SecretStr | None) -> None:
    """Refuse a signing secret that is too short to protect anything."""
    if secret is None:
        return
    try:
        size = len(signing_key(secret))
    except BadWebhookSecret:
        size = 0
    if not 16 <= size <= 128:
        raise PydanticCustomError("secret", "is whsec_ with 24 to 64 bytes in base64, or a text of at least 16 bytes")


class BrowserKeys(Strict):
    p256dh: str = Field(pattern=r"^[A-Za-z0-9_=-]{80,100}$")
    auth: str = Field(pattern=r"^[A-Za-z0-9_=-]{16,32}$")


class BrowserSubscription(BaseModel):
    """`PushSubscription.toJSON()` of a browser."""

    endpoint: WebAddress
    keys: BrowserKeys


class NewSubscription(Strict):
    """A device (fcm, apns: `token`) or a browser (webpush: `subscription`) of the caller."""

    platform: Platform
    token: str | None = Field(None, min_length=8, max_length=4096, pattern=r"^[\x21-\x7e]+$")
    subscription: BrowserSubscription | None = None
    label: str = Field("", max_length=128)

    @model_validator(mode="after")
    def _one_of_both(self) -> NewSubscription:
        if self.platform == "webpush" and (self.subscription is None or self.token is not None):
            raise PydanticCustomError("subscription", "webpush needs subscription, and no token")
        if self.platform != "webpush" and (self.token is None or self.subscription is not None):
            raise PydanticCustomError("token", "{platform} needs token", {"platform": self.platform})
        return self


State = Literal["pending", "leased", "ambiguous", "delivered", "dead", "cancelled"]

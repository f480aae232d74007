"""What the notification API answers. No answer holds a secret, except the one that makes it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from smartgrid.notifications.history import Told
from smartgrid.store.notification_tables import DeliveryRow, NotificationRow


class Accepted(BaseModel):
    id: str = Field(description="of the notification; GET /api/v1/notifications/{id} tells what became of it")
    status: str = "accepted"


class BatchAccepted(BaseModel):
    ids: list[str]
    status: str = "accepted"


class Attempt(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    number: int
    started_at: datetime
    latency_ms: int
    outcome: str = Field(
        description="delivered, retry, permanent, configuration, ambiguous, callback (a later report) or replay"
    )
    status: int | None = Field(description="HTTP status of the receiver or provider")
    detail: str
    provider_id: str | None


class Delivery(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    delivery_id: str = Field(description="the same at every attempt: webhook-id, apns-id")
    channel: str
    platform: str | None
    recipient: str
    lane: str
    state: str = Field(description="pending, leased, ambiguous, delivered, dead or cancelled")
    attempts: int
    due_at: datetime
    expires_at: datetime
    finished_at: datetime | None
    reason: str | None = Field(description="why it is dead, cancelled, ambiguous, or waits for another attempt")
    provider_id: str | None
    provider_status: str | None


class DeliveryHistory(Delivery):
    history: list[Attempt]


class Notification(BaseModel):
    """One notification with all that was tried."""

    id: str
    status: str
    created_at: datetime
    created_by: str
    source: str
    subject: str | None
    message: str
    priority: str
    data: dict[str, Any]
    event_ids: list[int]
    deliveries: list[DeliveryHistory]

    @classmethod
    def of(cls, told: Told) -> Notification:
        row = told.notification
        deliveries = [
            DeliveryHistory(
                **Delivery.model_validate(delivery).model_dump(),
                history=[Attempt.model_validate(attempt) for attempt in told.attempts[delivery.delivery_id]],
            )
            for delivery in told.deliveries
        ]
        return cls(
            id=row.notification_id,
            status=told.state,
            created_at=row.created_at,
            created_by=row.created_by,
            source=row.source,
            subject=row.subject,
            message=row.message,
            priority=row.priority,
            data=row.data,
            event_ids=row.event_ids,
            deliveries=deliveries,
        )


class Listed(Delivery):
    """A delivery in a list, with the beginning of what it says."""

    notification_id: str
    created_at: datetime
    priority: str
    subject: str | None
    message: str

    @classmethod
    def of(cls, delivery: DeliveryRow, notification: NotificationRow) -> Listed:
        return cls(
            **Delivery.model_validate(delivery).model_dump(),
            notification_id=notification.notification_id,
            created_at=delivery.created_at,
            priority=notification.priority,
            subject=notification.subject,
            message=notification.message[:200],
        )


class Deliveries(BaseModel):
    deliveries: list[Listed]
    next_before: str | None = Field(description="`before` of the next page; null: no more")
    counts: dict[str, int] = Field(description="deliveries by state, of all")


class DeadLetters(BaseModel):
    dead_letters: list[Delivery]


class Cancelled(BaseModel):
    id: str
    cancelled: int = Field(description="deliveries that will not be sent")


class Replayed(BaseModel):
    replayed: int


class Endpoint(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    endpoint_id: str
    name: str
    url: str
    created_at: datetime
    created_by: str
    disabled_at: datetime | None
    disabled_reason: str | None
    failing_since: datetime | None


class EndpointWithSecret(BaseModel):
    endpoint: Endpoint
    secret: str = Field(description="shown here and never again")


class NewSecret(BaseModel):
    endpoint_id: str
    secret: str = Field(description="shown here and never again")


class Endpoints(BaseModel):
    endpoints: list[Endpoint]


class Subscription(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    subscription_id: str
    platform: str
    owner: str
    label: str
    created_at: datetime
    disabled_at: datetime | None
    disabled_reason: str | None


class Subscriptions(BaseModel):
    subscriptions: list[Subscription]


class PublicKey(BaseModel):
    public_key: str = Field(description="`applicationServerKey` of PushManager.subscribe()")


class Recorded(BaseModel):
    events: int


class Fault(BaseModel):
    loc: list[str | int] = Field(description="where in the request", examples=[["body", "recipient"]])
    msg: str
    type: str


class Refusal(BaseModel):
    detail: list[Fault]


class Problem(BaseModel):
    detail: str

"""Notifications: an outbox in the results store, drained over webhook, SMS, push and e-mail."""

from smartgrid.notifications.direct import (
    SendResult,
    WebhookCall,
    send_email,
    send_push_notification,
    send_sms,
    send_webhook,
    send_webhooks,
)

__all__ = [
    "SendResult",
    "WebhookCall",
    "send_email",
    "send_push_notification",
    "send_sms",
    "send_webhook",
    "send_webhooks",
]

"""From a receiver's targets to addresses: `subscribers` stands for every endpoint or browser that is registered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from smartgrid.notifications.channel import Platform
from smartgrid.notifications.conditions import severity_rank
from smartgrid.notifications.model import Target
from smartgrid.notifications.rules import SUBSCRIBERS, ReceiverTarget
from smartgrid.store.notification_tables import EndpointRow, SubscriptionRow


def resolve(session: Session, targets: Sequence[ReceiverTarget], severity: str) -> list[Target]:
    """The targets of a message of `severity`, each once, in the order of the policy."""
    found: dict[Target, None] = {}
    for target in targets:
        if severity_rank(severity) < severity_rank(target.from_severity):
            continue
        if target.recipient != SUBSCRIBERS:
            found[Target(target.channel, target.recipient, target.platform)] = None
        elif target.channel == "webhook":
            query = select(EndpointRow.endpoint_id).where(EndpointRow.disabled_at.is_(None))
            found |= {
                Target("webhook", name): None for name in session.scalars(query.order_by(EndpointRow.endpoint_id))
            }
        elif target.channel == "push":
            subscriptions = select(SubscriptionRow).where(SubscriptionRow.disabled_at.is_(None))
            if target.platform:
                subscriptions = subscriptions.where(SubscriptionRow.platform == target.platform)
            for row in session.scalars(subscriptions.order_by(SubscriptionRow.subscription_id)):
                found[Target("push", row.subscription_id, cast("Platform", row.platform))] = None
    return list(found)

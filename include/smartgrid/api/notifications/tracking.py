"""Routes that tell what became of messages, cancel them, and send dead letters again."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from smartgrid.api.callers import Caller, Require
from smartgrid.api.notifications import answers, failures
from smartgrid.api.notifications.requests import ReplayRequest, State
from smartgrid.notifications import dead_letters, history, outbox
from smartgrid.notifications.channel import ChannelName

UUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
NotificationId = Annotated[str, Path(pattern=UUID, description="as `send` answered it")]
DeliveryId = Annotated[str, Path(pattern=UUID)]
Limit = Annotated[int, Query(ge=1, le=500)]


def tracking_routes(require: Require, prefix: str) -> APIRouter:
    router = APIRouter(prefix=prefix, tags=["history"], responses=failures.RESPONSES)
    viewer = [Depends(require("viewer"))]
    operator = Annotated[Caller, Depends(require("operator"))]

    @router.get("", dependencies=viewer)
    def page(
        state: State | None = None,
        channel: ChannelName | None = None,
        before: Annotated[str | None, Query(pattern=UUID, description="continue after this delivery id")] = None,
        limit: Limit = 50,
    ) -> answers.Deliveries:
        """The newest deliveries. Role: viewer."""
        found = history.page(state=state, channel=channel, before=before, limit=limit)
        listed = [answers.Listed.of(*row) for row in found.rows]
        return answers.Deliveries(deliveries=listed, next_before=found.next_before, counts=history.counts())

    @router.get("/dead-letters", dependencies=viewer)
    def dead(
        channel: ChannelName | None = None,
        recipient: Annotated[str | None, Query(max_length=4096)] = None,
        limit: Limit = 100,
    ) -> answers.DeadLetters:
        """What could not be delivered and why, the newest first. Role: viewer."""
        which = dead_letters.Which(channel=channel, recipient=recipient, include_ambiguous=True)
        rows = dead_letters.listed(which, limit)
        return answers.DeadLetters(dead_letters=[answers.Delivery.model_validate(row) for row in rows])

    @router.post("/dead-letters/replay")
    def replay_many(body: ReplayRequest, caller: operator) -> answers.Replayed:
        """Send matching dead letters again, the oldest first. Role: operator."""
        which = dead_letters.Which(**body.model_dump(exclude={"limit"}))
        return answers.Replayed(replayed=dead_letters.replay_all(which, caller.name, body.limit))

    @router.post("/dead-letters/{delivery_id}/replay", responses=failures.NOT_FOUND | failures.CONFLICT)
    def replay_one(delivery_id: DeliveryId, caller: operator) -> answers.Replayed:
        """Send one dead letter again, with the same id. Role: operator."""
        dead_letters.replay(delivery_id, caller.name)
        return answers.Replayed(replayed=1)

    @router.get("/{notification_id}", dependencies=viewer, responses=failures.NOT_FOUND)
    def one(notification_id: NotificationId) -> answers.Notification:
        """One notification, its deliveries and every attempt. Role: viewer."""
        return answers.Notification.of(history.told(notification_id))

    @router.post("/{notification_id}/cancel", responses=failures.NOT_FOUND | failures.CONFLICT)
    def cancel(notification_id: NotificationId, caller: operator) -> answers.Cancelled:
        """Stop what is not under way yet. Role: operator."""
        return answers.Cancelled(id=notification_id, cancelled=outbox.cancel(notification_id, caller.name))

    return router

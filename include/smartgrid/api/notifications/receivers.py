"""Routes for webhook endpoints and push subscriptions."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path

from smartgrid.api.callers import Caller, Require
from smartgrid.api.notifications import answers, failures
from smartgrid.api.notifications.requests import EndpointChange, NewEndpoint, NewSubscription, Rotation
from smartgrid.notifications import endpoints, subscriptions
from smartgrid.notifications.webpush_keys import vapid_public_key
from smartgrid.settings import get_settings

EndpointId = Annotated[str, Path(pattern=r"^ep_[0-9a-f]{1,28}$")]
SubscriptionId = Annotated[str, Path(pattern=r"^sub_[0-9a-f]{1,28}$")]


def endpoint_routes(require: Require) -> APIRouter:
    router = APIRouter(prefix="/endpoints", tags=["webhook endpoints"], responses=failures.RESPONSES)
    viewer = [Depends(require("viewer"))]
    admin = Annotated[Caller, Depends(require("admin"))]

    @router.get("", dependencies=viewer)
    def listed() -> answers.Endpoints:
        """All endpoints, without their secrets. Role: viewer."""
        return answers.Endpoints(endpoints=[answers.Endpoint.model_validate(row) for row in endpoints.listed()])

    @router.post("", status_code=201, responses=failures.CONFLICT)
    def create(body: NewEndpoint, caller: admin) -> answers.EndpointWithSecret:
        """Register a receiver; the answer has its signing secret, once. Role: admin."""
        row, secret = endpoints.create(body.name, body.url, caller.name, body.secret)
        return answers.EndpointWithSecret(
            endpoint=answers.Endpoint.model_validate(row), secret=secret.get_secret_value()
        )

    @router.get("/{endpoint_id}", dependencies=viewer, responses=failures.NOT_FOUND)
    def one(endpoint_id: EndpointId) -> answers.Endpoint:
        """One endpoint, without its secrets. Role: viewer."""
        return answers.Endpoint.model_validate(endpoints.known(endpoint_id))

    @router.patch("/{endpoint_id}", responses=failures.NOT_FOUND)
    def change(endpoint_id: EndpointId, body: EndpointChange, caller: admin) -> answers.Endpoint:
        """Move it, disable it, or enable it again. Role: admin."""
        row = endpoints.change(endpoint_id, url=body.url, enabled=body.enabled, by=caller.name)
        return answers.Endpoint.model_validate(row)

    @router.delete("/{endpoint_id}", status_code=204, responses=failures.NOT_FOUND)
    def remove(endpoint_id: EndpointId, _caller: admin) -> None:
        """Forget it and its secrets; what waits for it becomes dead letters. Role: admin."""
        endpoints.remove(endpoint_id)

    @router.post("/{endpoint_id}/rotate-secret", responses=failures.NOT_FOUND)
    def rotate(endpoint_id: EndpointId, _caller: admin, body: Rotation | None = None) -> answers.NewSecret:
        """Make a new secret; the old one signs, too, for a day (or `overlap_s`). Role: admin."""
        body = body or Rotation()
        secret = endpoints.rotate(endpoint_id, body.secret, body.overlap_s)
        return answers.NewSecret(endpoint_id=endpoint_id, secret=secret.get_secret_value())

    return router


def subscription_routes(require: Require) -> APIRouter:
    router = APIRouter(prefix="/subscriptions", tags=["push subscriptions"], responses=failures.RESPONSES)
    viewer = Annotated[Caller, Depends(require("viewer"))]

    @router.get("")
    def listed(caller: viewer) -> answers.Subscriptions:
        """The caller's subscriptions; an admin sees all. Role: viewer."""
        rows = subscriptions.listed(None if caller.may("admin") else caller.name)
        return answers.Subscriptions(subscriptions=[answers.Subscription.model_validate(row) for row in rows])

    @router.post("", status_code=201)
    def subscribe(body: NewSubscription, caller: viewer) -> answers.Subscription:
        """Register a device or a browser of the caller; the same one again is the same subscription. Role: viewer."""
        if body.subscription is not None:
            keys = body.subscription.keys
            row = subscriptions.subscribe_browser(
                body.subscription.endpoint, keys.p256dh, keys.auth, caller.name, body.label
            )
        else:
            assert body.token is not None
            row = subscriptions.subscribe_device(body.platform, body.token, caller.name, body.label)
        return answers.Subscription.model_validate(row)

    @router.get("/public-key", responses={409: {"model": answers.Problem, "description": "no key is configured"}})
    def public_key(_caller: viewer) -> answers.PublicKey:
        """The key with which a browser subscribes. Role: viewer."""
        private_key = get_settings().channels.webpush.vapid_private_key
        if private_key is None:
            raise HTTPException(409, "Web Push is not configured: set VAPID_PRIVATE_KEY.")
        return answers.PublicKey(public_key=vapid_public_key(private_key))

    @router.delete("/{subscription_id}", status_code=204, responses=failures.NOT_FOUND)
    def unsubscribe(subscription_id: SubscriptionId, caller: viewer) -> None:
        """Forget a subscription of the caller; an admin may forget any. Role: viewer."""
        subscriptions.unsubscribe(subscription_id, None if caller.may("admin") else caller.name)

    return router

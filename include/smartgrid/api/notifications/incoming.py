"""Routes that others call: Twilio's delivery reports, Prometheus Alertmanager."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from starlette.concurrency import run_in_threadpool

from smartgrid.api.callers import Require
from smartgrid.api.notifications import answers, failures
from smartgrid.notifications import alertmanager, callbacks
from smartgrid.notifications.channels import twilio_signature
from smartgrid.notifications.transaction import write_transaction
from smartgrid.settings import get_settings

FORGED: dict[int | str, dict[str, Any]] = {403: {"model": answers.Problem, "description": "not signed by Twilio"}}
MOST_FIELDS = 100


def callback_routes() -> APIRouter:
    """No bearer token: the provider signs."""
    router = APIRouter(prefix="/callbacks", tags=["callbacks"])

    @router.post("/twilio", status_code=204, responses=FORGED)
    async def twilio(request: Request) -> None:
        """Twilio reports what became of an SMS. Authenticated by its signature."""
        form = await request.form(max_files=0, max_fields=MOST_FIELDS)
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        signature = request.headers.get("X-Twilio-Signature", "")
        if not twilio_signature.valid(str(request.url), fields, signature, get_settings()):
            raise HTTPException(403, "The signature is not Twilio's.")
        sid = fields.get("MessageSid") or fields.get("SmsSid", "")
        status = fields.get("MessageStatus") or fields.get("SmsStatus", "")
        if sid and status:
            # An unknown message is not an error: Twilio would report it again and again.
            await run_in_threadpool(callbacks.delivery_status, sid, status, fields.get("ErrorCode"))

    return router


def alert_routes(require: Require) -> APIRouter:
    router = APIRouter(tags=["alerts"], responses=failures.RESPONSES)

    @router.post("/alertmanager", status_code=202, dependencies=[Depends(require("operator"))])
    def alerts(body: Annotated[dict[str, Any], "Alertmanager's webhook, version 4"]) -> answers.Recorded:
        """Record alerts as events; who hears of them is decided by the routing rules. Role: operator."""
        with write_transaction() as transaction:
            return answers.Recorded(events=alertmanager.record(transaction, body))

    return router

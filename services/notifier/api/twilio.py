"""Twilio's callbacks: signed, kept before they are answered, the same however often they come."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from services.notifier.channels.twilio import PROVIDER, SIGNATURE, Twilio, inbound_of, status_of
from services.notifier.service.conversation import Conversation
from services.notifier.service.receipts import Receipts
from shared.errors import Forbidden, Invalid

EMPTY = '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'
"""TwiML that says: nothing to do."""


def routes(twilio: Twilio, receipts: Receipts, conversation: Conversation) -> APIRouter:
    """Status callbacks and inbound messages."""
    router = APIRouter()

    @router.post("/twilio/status/{message_id}", include_in_schema=False)
    async def status(message_id: UUID, request: Request) -> Response:
        params = dict(await _signed(twilio, request))
        tries = request.query_params.get("try", "")
        if not tries.isdigit():
            raise Invalid(field="try")
        said = status_of(params)
        if said is not None:
            await receipts.receive(PROVIDER, message_id, int(tries), said.status, said.reason)
        return Response(status_code=204)

    @router.post("/twilio/inbound", include_in_schema=False)
    async def inbound(request: Request) -> Response:
        message = inbound_of(dict(await _signed(twilio, request)))
        if message is None:
            raise Invalid(field="MessageSid")
        await conversation.take(PROVIDER, message.sid, message.sender, message.body, message.opt_out)
        return Response(EMPTY, media_type="text/xml")

    return router


async def _signed(twilio: Twilio, request: Request) -> list[tuple[str, str]]:
    """The form of a callback that Twilio signed. Raises Forbidden: before anything else is looked at."""
    async with request.form(max_files=0, max_fields=100) as form:
        params = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    query = f"?{request.url.query}" if request.url.query else ""
    if not twilio.signed(request.url.path + query, params, request.headers.get(SIGNATURE, "")):
        raise Forbidden
    return params

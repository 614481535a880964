"""Twilio's callbacks: signed, kept before they are answered, the same however often they come."""

from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from services.notifier.channels.twilio import PROVIDER, SIGNATURE, Twilio, inbound_of, status_of
from services.notifier.domain.delivery import Receipt, Told
from services.notifier.service.conversation import Conversation
from services.notifier.service.receipts import Receipts
from shared.errors import Failure, Forbidden, Invalid
from shared.web import problem

EMPTY = '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'
"""TwiML that says: nothing to do."""
STATUS = "/twilio/status/"
MOST_TRIES = 2**31 - 1
"""What a column holds."""


def routes(twilio: Twilio, conversation: Conversation) -> APIRouter:
    """Inbound messages."""
    router = APIRouter()

    @router.post("/twilio/inbound", include_in_schema=False)
    async def inbound(request: Request) -> Response:
        message = inbound_of(dict(await _signed(twilio, request)))
        if message is None:
            raise Invalid(field="MessageSid")
        await conversation.take(PROVIDER, message.sid, message.sender, message.body, message.opt_out)
        return Response(EMPTY, media_type="text/xml")

    return router


def install(web: FastAPI, twilio: Twilio, receipts: Receipts) -> None:
    """Everything that Twilio calls, except inbound messages."""
    web.user_middleware.insert(1, Middleware(StatusCallbacks, twilio=twilio, receipts=receipts))  # 0 is the edge


class StatusCallbacks:
    """Answers `POST /twilio/status/<message>?try=<n>`, passes the rest on to `app`. Raw ASGI: three callbacks come for
    every SMS, and the framework's way to a route costs more than all that is done with them. Stands behind the edge,
    which adds headers, limit and trace."""

    path = "/twilio/status/{message_id}"
    """How the edge names it in traces."""

    def __init__(self, app: ASGIApp, twilio: Twilio, receipts: Receipts) -> None:
        self._app = app
        self._twilio = twilio
        self._receipts = receipts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """204 when it is kept, or was known; problem details otherwise."""
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith(STATUS):
            await self._app(scope, receive, send)
            return
        scope["route"] = self
        try:
            await self._take(scope, await _body(receive))
        except Failure as failure:
            await problem(failure)(scope, receive, send)
        else:
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    async def _take(self, scope: Scope, body: bytes) -> None:
        """Raises Forbidden, before anything else is looked at, Invalid, DatabaseUnavailable."""
        path, query = scope["path"], scope["query_string"].decode("latin-1")
        params = _form(body)
        signature = next((value for name, value in scope["headers"] if name == _SIGNATURE), b"").decode("latin-1")
        if not self._twilio.signed(f"{path}?{query}" if query else path, params, signature):
            raise Forbidden
        said = status_of(dict(params))
        message_id, tries = _message(path), _tries(query)
        if said is not None:
            await self._receipts.receive(PROVIDER, Told(message_id, Receipt(tries, said.status, said.reason)))


_SIGNATURE = SIGNATURE.encode()


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        part = await receive()
        body += part.get("body", b"")
        if not part.get("more_body"):
            return bytes(body)


def _form(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode("latin-1"), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        raise Invalid from None


def _message(path: str) -> UUID:
    try:
        return UUID(path.removeprefix(STATUS))
    except ValueError:
        raise Invalid(field="message_id") from None


def _tries(query: str) -> int:
    tries = dict(parse_qsl(query)).get("try", "")
    if not (tries.isascii() and tries.isdigit()) or int(tries) > MOST_TRIES:
        raise Invalid(field="try")
    return int(tries)


async def _signed(twilio: Twilio, request: Request) -> list[tuple[str, str]]:
    """The form of a callback that Twilio signed. Raises Forbidden: before anything else is looked at."""
    async with request.form(max_files=0, max_fields=100) as form:
        params = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    query = f"?{request.url.query}" if request.url.query else ""
    if not twilio.signed(request.url.path + query, params, request.headers.get(SIGNATURE, "")):
        raise Forbidden
    return params

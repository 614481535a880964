"""The Messages API over HTTP, in Twilio's paths and shapes."""

import base64
import binascii
import hmac

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.sandbox.api.wire import answer
from services.sandbox.domain.failures import CarrierRefusal
from services.sandbox.service.messages import AccountLine, resource
from services.sandbox.service.outcome import Outcome
from services.sandbox.service.sandbox import Sandbox

ACCOUNT = "/2010-04-01/Accounts/{account_sid}"
LISTED = 50


def routes(sandbox: Sandbox, account: AccountLine) -> APIRouter:
    """Send, fetch and list messages of the one account."""
    router = APIRouter()

    async def messages(request: Request) -> Response:
        if not signed_in(request, account):
            return refused(401, 20003, "Authenticate")
        if request.method == "POST":
            async with request.form() as form:
                fields = {k: v for k, v in form.items() if isinstance(v, str)}
            return answer(await sandbox.messages.send(fields))
        to = request.query_params.get("To", "")
        kept = reversed(sandbox.world.carrier.messages.values())
        found = [resource(s, account.account_sid) for s in kept if to in {"", s.to}][:LISTED]
        return answer(Outcome(200, {"messages": found, "page": 0, "page_size": LISTED, "next_page_uri": None}))

    async def message(request: Request) -> Response:
        if not signed_in(request, account):
            return refused(401, 20003, "Authenticate")
        sms = sandbox.world.carrier.messages.get(request.path_params["sid"])
        if sms is None:
            return refused(404, 20404, f"The requested resource {request.url.path} was not found")
        return answer(Outcome(200, resource(sms, account.account_sid)))

    router.add_route(f"{ACCOUNT}/Messages.json", messages, methods=["GET", "POST"], include_in_schema=False)
    router.add_route(f"{ACCOUNT}/Messages/{{sid}}.json", message, methods=["GET"], include_in_schema=False)
    return router


def refused(status: int, code: int, text: str) -> Response:
    """An error in Twilio's shape."""
    return answer(Outcome(status, CarrierRefusal(status, code, text).body()))


def signed_in(request: Request, account: AccountLine) -> bool:
    """True for Basic auth with the account's sid and token, under the account's own path."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(encoded, validate=True) if scheme.lower() == "basic" else b""
    except binascii.Error:
        return False
    wanted = f"{account.account_sid}:{account.auth_token}".encode()
    same_path = request.path_params["account_sid"] == account.account_sid
    return hmac.compare_digest(given, wanted) and same_path

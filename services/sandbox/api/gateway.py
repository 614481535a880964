"""The Telegram Gateway API over HTTP: `/gateway/<method>`, with a bearer token or access_token."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.sandbox.api.telegram import parameters
from services.sandbox.api.wire import answer
from services.sandbox.domain.failures import BotApiRefusal
from services.sandbox.service.outcome import Outcome
from services.sandbox.service.sandbox import Sandbox


def routes(sandbox: Sandbox) -> APIRouter:
    """Any token is accepted; its reports are signed with it."""
    router = APIRouter()

    async def call(request: Request) -> Response:
        try:
            values = await parameters(request)
        except BotApiRefusal:
            return answer(Outcome(200, {"ok": False, "error": "JSON_INVALID"}))
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        given = token if scheme.lower() == "bearer" else str(values.pop("access_token", ""))
        if not given:
            return answer(Outcome(200, {"ok": False, "error": "ACCESS_TOKEN_REQUIRED"}))
        return answer(sandbox.codes.call(request.path_params["method"], values, given))

    router.add_route("/gateway/{method}", call, methods=["GET", "POST"], include_in_schema=False)
    return router

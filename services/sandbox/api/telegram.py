"""The Bot API over HTTP: `/bot<token>/<method>`, parameters as form, multipart, JSON or query."""

import hmac
import json
import re
from typing import Any

from fastapi import APIRouter
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from services.sandbox.api.wire import answer
from services.sandbox.domain.failures import BotApiRefusal, bad_request
from services.sandbox.service.outcome import Outcome
from services.sandbox.service.sandbox import Sandbox

TOKEN = re.compile(r"(\d{1,16}):[A-Za-z0-9_-]{3,}")


def routes(sandbox: Sandbox, token: str | None) -> APIRouter:
    """The Bot API of one bot. With a `token` no other is accepted, otherwise any well-formed one is."""
    router = APIRouter()

    async def call(request: Request) -> Response:
        try:
            bot_id = bot_of(request.path_params["token"], token)
            values = await parameters(request)
        except BotApiRefusal as refusal:
            return answer(Outcome(refusal.code, refusal.body()))
        return answer(await sandbox.bot_api.call(bot_id, request.path_params["method"], values))

    router.add_route("/bot{token}/{method}", call, methods=["GET", "POST"], include_in_schema=False)
    return router


def bot_of(token: str, wanted: str | None) -> int:
    """The bot's id in its token; raises BotApiRefusal 404 for no token at all, 401 for a wrong one."""
    match = TOKEN.fullmatch(token)
    if match is None:
        raise BotApiRefusal(404, "Not Found")
    if wanted is not None and not hmac.compare_digest(token.encode(), wanted.encode()):
        raise BotApiRefusal(401, "Unauthorized")
    return int(match[1])


async def parameters(request: Request) -> dict[str, Any]:
    """The parameters from the query and the body, which wins; raises BotApiRefusal for a body that is no JSON."""
    values: dict[str, Any] = dict(request.query_params)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        try:
            body = json.loads(await request.body() or b"{}")
        except ValueError:
            raise bad_request("Can't parse request JSON object") from None
        return values | (body if isinstance(body, dict) else {})
    if kind in {"application/x-www-form-urlencoded", "multipart/form-data"}:
        async with request.form() as form:
            return values | {k: f"file:{v.filename}" if isinstance(v, UploadFile) else v for k, v in form.items()}
    return values

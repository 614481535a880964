"""Telegram's webhook: the secret first, then the row, then 200; whatever else happens is not Telegram's business."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from shared.errors import Invalid, Unauthenticated

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 # the header's name

Take = Callable[[Mapping[str, Any]], Awaitable[None]]
"""Keeps an update; committed when it returns."""


def routes(bot_id: int, secret: str, take: Take) -> APIRouter:
    """`POST /telegram/<bot id>`. An error is answered with a status above 299, and Telegram sends it again."""
    router = APIRouter()

    @router.post(f"/telegram/{bot_id}", include_in_schema=False)
    async def webhook(request: Request) -> Response:
        given = request.headers.get(SECRET_HEADER, "")
        if not secrets.compare_digest(given.encode(), secret.encode()):
            raise Unauthenticated
        await take(_update(await request.body()))
        return Response(status_code=200)

    return router


def _update(body: bytes) -> Mapping[str, Any]:
    """The update; only its id must be what it should be. Raises Invalid."""
    try:
        update = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Invalid from None
    update_id = update.get("update_id") if isinstance(update, dict) else None
    if not isinstance(update_id, int) or isinstance(update_id, bool) or not 0 <= update_id < 2**63:
        raise Invalid(field="update_id")
    return dict(update)

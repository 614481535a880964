"""The Bot API at work: calls, long polls that end each other, and updates pushed to a webhook."""

from collections.abc import Callable
from functools import partial
from typing import Any

from services.sandbox.domain.failures import BotApiRefusal, too_many
from services.sandbox.domain.faults import Api, Fault
from services.sandbox.domain.journal import Line
from services.sandbox.domain.methods import METHODS
from services.sandbox.domain.methods.bot import allowed
from services.sandbox.domain.params import Params
from services.sandbox.domain.updates import Pending
from services.sandbox.domain.world import World
from services.sandbox.service.changes import Changes
from services.sandbox.service.deliveries import Post
from services.sandbox.service.outcome import Json, Outcome, under

LONGEST_POLL = 50
"""Seconds; the real server caps `timeout` there."""
LONGEST_PAUSE = 60.0
RETRY_AFTER_LIMIT = 3600.0

TEXTS = {
    400: "Bad Request: chat not found",
    401: "Unauthorized",
    403: "Forbidden: bot was blocked by the user",
    404: "Not Found",
    409: "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
WEBHOOK_ACTIVE = (
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
)


class BotApi:
    """Answers the calls of one bot and delivers its updates."""

    def __init__(
        self, world: Callable[[], World], now: Callable[[], float], changes: Changes, post: Post, retry_first: float
    ) -> None:
        self._world, self._now, self._changes, self._post = world, now, changes, post
        self._retry_first = retry_first
        self._turn = 0

    async def call(self, bot_id: int, method: str, values: dict[str, Any]) -> Outcome:
        """One call, under the fault in force for this method and chat; it is noted in the call log."""
        world, params = self._world(), Params(values)
        world.telegram.bot.id = bot_id
        target = params.text("chat_id")
        fault = world.faults.take(Api.TELEGRAM, method, target)
        outcome = await under(fault, partial(self._answer, method, params), _error)
        if method.lower() != "getupdates" or outcome.status != 200 or outcome.body["result"]:
            used = fault.id if fault else 0
            at, status = self._now(), outcome.status
            world.log(Line.TELEGRAM, method, target, values, at=at, status=status, response=outcome.body, fault=used)
        return outcome

    async def _answer(self, method: str, params: Params) -> Outcome:
        try:
            result = await self._result(method.lower(), params)
        except BotApiRefusal as refusal:
            return Outcome(refusal.code, refusal.body(), refusal.parameters.get("retry_after", 0))
        return Outcome(200, {"ok": True, "result": result})

    async def _result(self, method: str, params: Params) -> Any:
        if method == "getupdates":
            return await self._poll(params)
        if method not in METHODS:
            raise BotApiRefusal(404, "Not Found: method not found")
        world = self._world()
        if method.startswith(("send", "edit", "copy")) and method != "sendchataction":
            chat_id = params.text("chat_id")
            wait = world.pacing.wait(chat_id, private=not chat_id.startswith(("-", "@")), now=self._now())
            if wait:
                raise too_many(wait)
        return METHODS[method](world.telegram, params, self._now())

    async def _poll(self, params: Params) -> list[Json]:
        self._turn += 1
        turn = self._turn
        self._changes.touch("updates")  # ends an older poll
        self._world().telegram.updates.allow(allowed(params))
        offset = params.integer("offset")

        def look() -> list[Json] | None:
            telegram = self._world().telegram
            if telegram.webhook.url:
                raise BotApiRefusal(409, WEBHOOK_ACTIVE)
            if turn != self._turn:
                raise BotApiRefusal(409, TEXTS[409])
            return telegram.updates.take(offset, params.integer("limit", 100), self._now()) or None

        seconds = min(max(params.integer("timeout"), 0), LONGEST_POLL)
        return await self._changes.until(look, seconds) or []

    async def push(self) -> None:
        """Deliver updates to the webhook, one after the other, until cancelled."""
        attempt = 0
        while True:
            entry = await self._changes.until(self._next, 60.0)
            if entry is None:
                if self._changes.stopping:
                    return
                continue
            attempt = await self._push_one(entry, attempt)

    def _next(self) -> Pending | None:
        telegram = self._world().telegram
        return telegram.updates.first(self._now()) if telegram.webhook.url else None

    async def _push_one(self, entry: Pending, attempt: int) -> int:
        """Try to deliver one update; returns how many tries in a row have failed now."""
        world = self._world()
        webhook = world.telegram.webhook
        headers = {"X-Telegram-Bot-Api-Secret-Token": webhook.secret} if webhook.secret else {}
        answer = await self._post(webhook.url, json=entry.body, headers=headers)
        params = {"update": entry.body}
        world.log(Line.WEBHOOK, entry.kind, "", params, at=self._now(), status=answer.status, response={})
        if answer.taken:
            world.telegram.updates.done(entry)
            return 0
        webhook.last_error_date = int(self._now())
        webhook.last_error = (
            f"Wrong response from the webhook: {answer.status}" if answer.status else "Connection failed"
        )
        if attempt:  # the first repetition is immediate (WebhookActor.cpp)
            pause = min(self._retry_first * float(2 ** (attempt - 1)), LONGEST_PAUSE)
            await self._rest(webhook.url, max(pause, min(answer.retry_after, RETRY_AFTER_LIMIT)))
        return attempt + 1

    async def _rest(self, url: str, seconds: float) -> None:
        """Wait, but not longer than the webhook stays where it is."""
        await self._changes.until(lambda: self._world().telegram.webhook.url != url or None, seconds)


def _error(fault: Fault) -> Outcome:
    if fault.migrate_to:
        text = "Bad Request: group chat was upgraded to a supergroup chat"
        refusal = BotApiRefusal(400, text, migrate_to_chat_id=fault.migrate_to)
    elif fault.status == 429 and fault.retry_after:
        refusal = too_many(fault.retry_after)
    else:
        refusal = BotApiRefusal(fault.status, fault.description or TEXTS.get(fault.status, "Error"))
    return Outcome(refusal.code, refusal.body(), fault.retry_after)

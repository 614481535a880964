"""Handles updates from the intake: one transaction each, in order per chat, several chats at once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from aiogram import Bot, Dispatcher
from aiogram.types import Update as TelegramUpdate
from pydantic import ValidationError

from services.notifier.bot.dialog import Handling, UseCases, chat
from services.notifier.bot.metrics import BotMetrics
from services.notifier.bot.phrases import Phrases
from services.notifier.domain.failures import backoff
from services.notifier.domain.telegram import ALLOWED_UPDATES
from services.notifier.store.database import Connection
from services.notifier.store.telegram.answers import Answers
from services.notifier.store.telegram.dialog import Memory
from services.notifier.store.telegram.intake import Intake, Update
from shared.clock import Clock
from shared.errors import Failure, Retry
from shared.telemetry import UNTRACED, Tracing

log = structlog.get_logger(__name__)

MAX_TRIES = 5
"""After that many failures an update is dead: the ones behind it in its chat must not wait for ever."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What handling an update needs."""

    bot: Bot
    intake: Intake
    answers: Answers
    phrases: Phrases
    metrics: BotMetrics
    clock: Clock
    changed: Callable[[], None]
    """Answers and replies are committed: wakes who says and who publishes them."""
    tracing: Tracing = UNTRACED


class Worker:
    """Takes the next update, lets the dialog handle it, and commits its effects together with "done": a crash in
    between leaves nothing behind, and the update is handled again."""

    def __init__(self, parts: Parts, service: UseCases) -> None:
        self._parts = parts
        self._dispatcher = Dispatcher(disable_fsm=True)
        self._dispatcher.include_router(chat(service))

    async def step(self) -> bool:
        """Handle one update; False when there is none. Raises Failure when the database is away."""
        parts, update = self._parts, None
        now = parts.clock()
        try:
            async with parts.intake.next(now) as held:
                if held is None:
                    return False
                db, update = held
                with parts.tracing.working("handle update", [update.traceparent], now):
                    outcome = await self._handle(db, update, now)
        except Exception as error:  # whatever one update breaks, the next one is handled
            if update is None or (isinstance(error, Failure) and error.retry is Retry.LATER):
                raise
            outcome = await self._failed(update, error)
        parts.metrics.updates.labels(outcome).inc()
        parts.changed()
        return True

    async def _handle(self, db: Connection, update: Update, now: datetime) -> str:
        """What became of it: handled, ignored or dead."""
        parts = self._parts
        if update.kind not in ALLOWED_UPDATES:
            await parts.intake.done(db, update.id, now)
            return "ignored"
        read = self._read(update)
        if isinstance(read, str):
            log.error("update is dead", update_id=update.id, kind=update.kind, problem=read)
            await parts.intake.dead(db, update.id, read, now)
            return "dead"
        handling = Handling(Memory(db), update.id, now)
        await self._dispatcher.feed_update(parts.bot, read, handling=handling)
        await parts.answers.put(db, [parts.phrases.calls(saying, now) for saying in handling.says], now)
        await parts.intake.done(db, update.id, now)
        return "handled"

    def _read(self, update: Update) -> TelegramUpdate | str:
        """The update with aiogram's types, or why it cannot be read: the kind of error and where, no values."""
        if update.raw is None:
            return "cannot be unlocked"
        try:
            read = TelegramUpdate.model_validate_json(update.raw, context={"bot": self._parts.bot})
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            return f"{'.'.join(str(step) for step in first['loc'])}: {first['type']}"
        # aiogram would print the whole update in a warning
        return read if getattr(read, update.kind or "", None) is not None else f"{update.kind}: missing"

    async def _failed(self, update: Update, error: Exception) -> str:
        """Handling broke: again with growing pauses, then dead."""
        parts, now = self._parts, self._parts.clock()
        problem = error.code if isinstance(error, Failure) else type(error).__name__
        log.error("update failed", update_id=update.id, kind=update.kind, tries=update.tries + 1, exc_info=error)
        if update.tries + 1 >= MAX_TRIES:
            await parts.intake.give_up(update.id, problem, now)
            return "dead"
        await parts.intake.again(update.id, problem, now + timedelta(seconds=backoff(update.tries, 1.0)))
        return "retried"

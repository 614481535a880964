"""Says what the dialog has written down: in order per chat, paced, and again when Telegram could not listen."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from aiogram import Bot
from aiogram.exceptions import AiogramError
from aiogram.methods import AnswerCallbackQuery, EditMessageText, SendMessage, TelegramMethod
from aiogram.types import InlineKeyboardMarkup, Message

from services.notifier.bot.metrics import BotMetrics
from services.notifier.channels.telegram.channel import credential
from services.notifier.channels.telegram.refusals import is_not_editable, is_too_late, is_unchanged, meaning
from services.notifier.domain.failures import MAX_TRANSIENT, Class, SendFailure, backoff
from services.notifier.domain.ports import Pacer
from services.notifier.store.telegram.answers import Answers, Claimed
from shared.clock import Clock
from shared.errors import Failure

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=15)
"""Waiting for a place (2 s) and the call (10 s) take less. It is also how long a chat waits for an answer that was
being said when its process was killed."""

METHODS: dict[str, type[SendMessage] | type[EditMessageText] | type[AnswerCallbackQuery]] = {
    "sendMessage": SendMessage,
    "editMessageText": EditMessageText,
    "answerCallbackQuery": AnswerCallbackQuery,
}


@dataclass(frozen=True, slots=True)
class Parts:
    """What saying an answer needs."""

    bot: Bot
    """Its session is paced in the urgent lane."""
    answers: Answers
    pacer: Pacer
    metrics: BotMetrics
    clock: Clock
    jitter: Callable[[], float]


class Speaker:
    """Says one answer after the other. An answer may come twice after a crash or a lost response: what it says stays
    true, so that is harmless; one that never comes is not."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def step(self) -> bool:
        """Say the next answer that is due; False when there is none. Raises Failure when a store is away."""
        parts = self._parts
        now = parts.clock()
        claimed = await parts.answers.claim(now, LEASE)
        if claimed is None:
            return False
        if claimed.said.not_after is not None and now >= claimed.said.not_after:
            await parts.answers.dead(claimed, "too late", now)
            self._count("too_late")
            return True
        method = METHODS[claimed.said.method].model_validate_json(claimed.said.payload)
        try:
            message = await self._call(method)
        except Failure as failure:  # no place under the limits, or nobody knows: nothing was said
            later = parts.clock() + timedelta(seconds=failure.retry_after or 1.0)
            await parts.answers.later(claimed, failure.code, later, counts=False)
        except AiogramError as error:
            await self._refused(claimed, error)
        else:
            await parts.answers.said(claimed, message, parts.clock())
            self._count("said")
        return True

    async def _call(self, method: SendMessage | EditMessageText | AnswerCallbackQuery) -> tuple[int, int] | None:
        """Call; a message that cannot be changed any more is said anew, except in a channel. Returns chat id and
        message id."""
        try:
            result = await _made(self._parts.bot, method)
        except AiogramError as error:
            if not (isinstance(method, EditMessageText) and is_not_editable(error)) or _is_room(method):
                raise
            result = await _made(self._parts.bot, _anew(method))
        return (result.chat.id, result.message_id) if isinstance(result, Message) else None

    async def _refused(self, claimed: Claimed, error: AiogramError) -> None:
        parts, now = self._parts, self._parts.clock()
        if is_unchanged(error) or is_too_late(error):
            await parts.answers.said(claimed, None, now)
            self._count("unchanged" if is_unchanged(error) else "too_late")
            return
        failure = meaning(error)
        problem = f"{failure.kind} {failure.details['provider_code']}"
        if failure.kind is Class.THROTTLE:
            await self._throttled(claimed, failure, problem, now)
        elif failure.kind in {Class.RETRY, Class.UNKNOWN, Class.CONFIG} and claimed.tries < MAX_TRANSIENT:
            pause = timedelta(seconds=backoff(claimed.tries, parts.jitter()))
            await parts.answers.later(claimed, problem, now + pause, counts=True)
            self._count("retried")
        elif failure.kind in {Class.PERMANENT, Class.STOP} and failure.details["provider_code"] == 403:
            await parts.answers.silence(claimed, problem, now)
            self._count("refused")
        else:
            log.error("answer given up", method=claimed.said.method, problem=problem, tries=claimed.tries)
            await parts.answers.dead(claimed, problem, now)
            self._count("dead")

    async def _throttled(self, claimed: Claimed, failure: SendFailure, problem: str, now: datetime) -> None:
        """429 stops the whole token, not one chat; it does not count as a try."""
        rest = failure.retry_after or 1.0
        await self._parts.answers.later(claimed, problem, now + timedelta(seconds=rest), counts=False)
        await self._parts.pacer.pause(credential(self._parts.bot), rest)
        self._parts.metrics.throttled.inc(rest)
        self._count("throttled")

    def _count(self, outcome: str) -> None:
        self._parts.metrics.calls.labels(outcome).inc()


async def _made(bot: Bot, method: SendMessage | EditMessageText | AnswerCallbackQuery) -> object:
    call: TelegramMethod[Any] = method
    result: object = await bot(call)
    return result


def _is_room(edit: EditMessageText) -> bool:
    """A group or channel: all would read the same twice."""
    return isinstance(edit.chat_id, int) and edit.chat_id < 0


def _anew(edit: EditMessageText) -> SendMessage:
    markup = edit.reply_markup if isinstance(edit.reply_markup, InlineKeyboardMarkup) else None
    return SendMessage(chat_id=edit.chat_id or 0, text=edit.text or "", parse_mode="HTML", reply_markup=markup)

"""The bot as a whole: built from what the service has, started and stopped in order."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import structlog
from prometheus_client import CollectorRegistry

from services.notifier.bot import speaker, worker
from services.notifier.bot.dialog import UseCases
from services.notifier.bot.informant import Informant
from services.notifier.bot.loops import Loops
from services.notifier.bot.metrics import BotMetrics
from services.notifier.bot.phrases import Phrases
from services.notifier.bot.poller import Poller
from services.notifier.bot.start import prepare
from services.notifier.channels.telegram import Paced, Polling, TelegramChannel, Words, connect, credential, server
from services.notifier.domain.conversation import NOTICE_VERSION
from services.notifier.domain.ports import Pacer, Vault
from services.notifier.service.telegram.answering import Answering
from services.notifier.service.telegram.linking import Linking, Normalise
from services.notifier.service.telegram.outcomes import Outcomes
from services.notifier.service.telegram.wishes import Wishes
from services.notifier.store.database import Database
from services.notifier.store.telegram.answers import Answers
from services.notifier.store.telegram.chats import Chats
from services.notifier.store.telegram.intake import Intake
from shared.clock import Clock
from shared.errors import Failure
from shared.events import Lane
from shared.i18n import load
from shared.lifecycle import Tasks
from shared.phone import Fingerprinter
from shared.seal import Sealer
from shared.telemetry import UNTRACED, Tracing

log = structlog.get_logger(__name__)

LOCALE = Path(__file__).parent / "locale"
WORKERS = 4
"""Chats handled at once, each with a database connection: a turn takes a few milliseconds."""
SPEAKERS = 8
"""Calls at once: at 28 a second and 100 ms each, three are enough."""
WATCH_SECONDS = 3.0
FORGET_EVERY = timedelta(hours=1)
KEPT = timedelta(days=7)
"""Handled updates: Telegram repeats them for a day at most."""


@dataclass(frozen=True, slots=True)
class Config:
    """The bot's side of the settings."""

    token: str = field(repr=False)
    api_base: str
    webhook_url: str | None = None
    """Where Telegram is to call; None: we poll."""
    webhook_secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Tools:
    """What the service shares with the bot."""

    database: Database
    vault: Vault
    pacer: Pacer
    sealer: Sealer
    fingerprinter: Fingerprinter
    normalise: Normalise
    registry: CollectorRegistry
    clock: Clock
    jitter: Callable[[], float]
    stated: Callable[[], None]
    """Replies are in the outbox: wakes the relay."""
    tracing: Tracing = UNTRACED


class Telegram:
    """The bot: its channel for the ledger, its ear for outcomes, and the dialog. Stops in order: nothing new is
    heard, updates in hand are handled, answers in hand are said; the rest stays in its rows."""

    def __init__(self, config: Config, tools: Tools) -> None:
        """Nothing is opened yet. Raises InsecureAddress, or aiogram's TokenValidationError."""
        at = server(config.api_base)
        self._config, self._tools = config, tools
        self._bot, self._calls = connect(config.token, at), connect(config.token, at)
        self._bot.session.middleware(Paced(tools.pacer, credential(self._bot), Lane.URGENT))
        self.metrics = BotMetrics(tools.registry)
        self.bot_id = self._bot.id
        words = self._words = Words(load(LOCALE))
        self.channel = TelegramChannel(self._calls, words, Chats(tools.database, tools.clock))
        self._intake = Intake(tools.database, tools.vault, self.bot_id)
        answers = self._answers = Answers(tools.database, tools.vault, self.bot_id)
        linking = Linking(tools.sealer, tools.vault, tools.fingerprinter, tools.normalise)
        service = UseCases(linking, Answering(tools.sealer, self.bot_id, NOTICE_VERSION), Wishes(linking))
        phrases = Phrases(words)
        speaking = speaker.Parts(self._bot, answers, tools.pacer, self.metrics, tools.clock, tools.jitter)
        self._speakers = Loops("telegram speaker", speaker.Speaker(speaking).step, SPEAKERS)
        handling = worker.Parts(
            self._bot, self._intake, answers, phrases, self.metrics, tools.clock, self._changed, tools.tracing
        )
        self._workers = Loops("telegram worker", worker.Worker(handling, service).step, WORKERS)
        self.informant = Informant(Outcomes(linking), phrases, answers, tools.clock, self._speakers.wake)
        self._listening = Tasks()
        self._polling: Polling | None = None

    def _changed(self) -> None:
        self._speakers.wake()
        self._tools.stated()

    async def __aenter__(self) -> Self:
        await self._speakers.__aenter__()
        await self._workers.__aenter__()
        self._listening.spawn(self._listen(), "telegram listening")
        self._listening.spawn(self._watch(), "telegram watch")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._listening.__aexit__(kind, error, trace)
            await self._workers.__aexit__()
            await self._speakers.__aexit__()
        finally:
            if self._polling:
                await self._polling.close()
            await asyncio.gather(self._bot.session.close(), self._calls.session.close())

    async def crashed(self) -> None:
        """Wait until a part dies, then raise its exception."""
        async with asyncio.TaskGroup() as group:
            for part in (self._listening, self._workers, self._speakers):
                group.create_task(part.crashed())

    async def take(self, update: Mapping[str, Any]) -> None:
        """Keep an update that came by webhook; committed when this returns. Raises DatabaseUnavailable."""
        now = self._tools.clock()
        await self._intake.keep([update], now)
        self.metrics.updates.labels("kept").inc()
        self.metrics.heard.set(now.timestamp())
        self._workers.wake()

    async def _listen(self) -> None:
        config = self._config
        webhook = (config.webhook_url, config.webhook_secret) if config.webhook_url else None
        await prepare(self._bot, self._words, webhook)
        if webhook is None:
            self._polling = Polling(self._bot)
            tools = self._tools
            await Poller(self._polling, self._intake, self.metrics, tools.clock, self._workers.wake).run()

    async def _watch(self) -> None:
        """Count what waits, mend what was overtaken, forget what is long done."""
        forget_at = self._tools.clock()
        while True:
            try:
                self.metrics.waiting.set(await self._intake.waiting())
                async with self._tools.database.transaction() as tx:
                    late = await self.informant.sweep(tx)
                if late:
                    self.informant.committed()
                if (now := self._tools.clock()) >= forget_at:
                    forget_at = now + FORGET_EVERY
                    await self._intake.forget(now - KEPT)
                    await self._answers.forget(now - KEPT)
            except Failure as failure:
                log.warning("watch failed", error_code=failure.code)
            await asyncio.sleep(WATCH_SECONDS)

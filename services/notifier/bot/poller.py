"""Hears from Telegram by long polls: an update is committed as a row before Telegram may forget it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from aiogram.exceptions import AiogramError, TelegramConflictError, TelegramRetryAfter, TelegramUnauthorizedError

from services.notifier.bot.metrics import BotMetrics
from services.notifier.channels.telegram.connection import Polling
from services.notifier.domain.telegram import ALLOWED_UPDATES
from services.notifier.store.telegram.intake import Intake
from shared.clock import Clock
from shared.errors import Failure

log = structlog.get_logger(__name__)

POLL_SECONDS = 25
"""Telegram caps a long poll at 50 s; proxies on the way often cut at 30."""
PAUSE_CAP = 60.0
"""Seconds: after a longer outage a person has given up anyway, and taps live 150 s."""
ELSEWHERE_SECONDS = 10.0
"""Pause after 409: another instance polls this token, or a webhook is set; pressing harder would starve both."""
REVOKED_SECONDS = 60.0


class Poller:
    """One poller per token. The offset moves on only after the rows are committed."""

    def __init__(
        self, polling: Polling, intake: Intake, metrics: BotMetrics, clock: Clock, kept: Callable[[], None]
    ) -> None:
        """`kept` wakes the worker."""
        self._polling = polling
        self._intake = intake
        self._metrics = metrics
        self._clock = clock
        self._kept = kept
        self._offset = 0
        """0 at a start: what the last process did not confirm comes again, and what is kept already stays as it is."""
        self._failures = 0

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            pause = await self.once()
            if pause:
                await asyncio.sleep(pause)

    async def once(self, wait: int = POLL_SECONDS) -> float:
        """One long poll; returns the seconds to rest before the next."""
        try:
            found = await self._polling.fetch(self._offset, wait, ALLOWED_UPDATES)
            await self._keep(found)
        except TelegramConflictError:
            log.error("another instance polls this bot, or a webhook is set: only one may run")  # noqa: TRY400
            return self._trouble("conflict", ELSEWHERE_SECONDS)
        except TelegramUnauthorizedError:
            log.error("the bot's token is revoked or wrong")  # noqa: TRY400 # the exception adds nothing
            return self._trouble("unauthorized", REVOKED_SECONDS)
        except TelegramRetryAfter as error:
            self._metrics.throttled.inc(error.retry_after)
            return self._trouble("throttled", min(float(error.retry_after), PAUSE_CAP))
        except (AiogramError, Failure) as error:
            self._failures += 1
            pause = min(PAUSE_CAP, 0.5 * 2.0 ** min(self._failures, 10))
            log.warning("polling failed", error_code=getattr(error, "code", type(error).__name__), pause=pause)
            return self._trouble("unreachable", pause)
        self._failures = 0
        self._metrics.heard.set(self._clock().timestamp())
        return 0.0

    async def _keep(self, found: Sequence[Any]) -> None:
        updates = [update for update in found if readable(update)]
        if len(updates) < len(found):
            log.error("updates without an id", count=len(found) - len(updates))
            self._metrics.updates.labels("unreadable").inc(len(found) - len(updates))
        if not updates:
            return
        await self._intake.keep(sorted(updates, key=lambda update: int(update["update_id"])), self._clock())
        self._metrics.updates.labels("kept").inc(len(updates))
        self._offset = max(int(update["update_id"]) for update in updates) + 1
        self._kept()

    def _trouble(self, kind: str, pause: float) -> float:
        self._metrics.troubles.labels(kind).inc()
        return pause


def readable(update: object) -> bool:
    """Whether it can be kept: the content may be anything, the id must be one."""
    if not isinstance(update, dict):
        return False
    update_id = update.get("update_id")
    return isinstance(update_id, int) and not isinstance(update_id, bool) and 0 <= update_id < 2**63

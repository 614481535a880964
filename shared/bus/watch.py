"""The second pair of eyes on a consumer: ends handlers, keeps the gauges, notices what does not turn any more."""

import asyncio
from collections.abc import Callable

import structlog

from shared.bus.health import Health
from shared.bus.metrics import BusMetrics
from shared.bus.watchdog import HandlerUnstoppable, Watchdog
from shared.bus.wire import Stalled

log = structlog.get_logger(__name__)

EVERY_SECONDS = 0.25
STALLED_SECONDS = 300.0
"""The longest round of polling is a rebalance that is given up (100 s), a drain (55 s), a close (25 s) and a connection
attempt (15 s), each with its own time-out: so this means that one of them did not work."""


class Watch:
    """Watches one consumer."""

    def __init__(
        self,
        group: str,
        watchdog: Watchdog,
        *,
        session: float,
        time: Callable[[], float],
        metrics: BusMetrics,
        polled: Callable[[], float],
        health: Callable[[], Health],
    ) -> None:
        """`session`: seconds after which the group gives up a silent member. `polled`: when it polled last."""
        self._group = group
        self._watchdog = watchdog
        self._longest_lag = session / 3
        self._time = time
        self._metrics = metrics
        self._polled = polled
        self._health = health
        self._woke = time()
        self.broken: HandlerUnstoppable | Stalled | None = None
        """Why the process ends."""

    async def run(self) -> None:
        """Until cancelled. Raises HandlerUnstoppable, Stalled: the process must be replaced."""
        while True:
            due = self._time() + EVERY_SECONDS
            await asyncio.sleep(EVERY_SECONDS)
            self.look(max(0.0, self._time() - due))

    def look(self, late: float) -> None:
        """One look, `late` seconds after it was due. Time in which the event loop did not turn, or the machine slept,
        is nobody's fault here."""
        now = self._time()
        self._metrics.loop_lag.labels(self._group).set(late)
        if late > self._longest_lag:
            self._woke = now
            self._metrics.loop_stalls.labels(self._group).inc()
            log.error("event loop stood still", group=self._group, seconds=round(late, 1))
        try:
            self._watchdog.look(late)
            self._check_polling(now)
        except (HandlerUnstoppable, Stalled) as failure:
            self.broken = failure
            log.critical("consumer is broken", group=self._group, error_code=failure.code)
            raise
        self._measure()

    def _check_polling(self, now: float) -> None:
        silent = now - max(self._polled(), self._woke)
        if silent > STALLED_SECONDS:
            raise Stalled(group=self._group, seconds=round(silent))

    def _measure(self) -> None:
        health, metrics, group = self._health(), self._metrics, self._group
        metrics.in_flight.labels(group).set(health.in_flight)
        metrics.oldest.labels(group).set(health.oldest_seconds)
        metrics.paused.labels(group).set(health.problem == "dead_letter_limit")
        metrics.ready.labels(group).set(health.ready)
        metrics.waiting.labels(group).set(health.waiting)
        metrics.waiting_seconds.labels(group).set(health.waiting_seconds)

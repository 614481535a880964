"""Outbox to topics: derives code and handle, seals them for the notifier, publishes, and only then trims the stream."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import orjson
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from services.otp.domain.codes import Codes
from services.otp.domain.policy import moment_of
from services.otp.store import Entry, Outbox, Parked
from services.otp.store.challenges import outcomes_of
from shared import ids
from shared.bus import Unpublishable
from shared.clock import Clock
from shared.errors import Unavailable
from shared.events import (
    ChallengeClosed,
    ChallengeEvent,
    ChallengeExpired,
    ChallengeLocked,
    ChallengeOpened,
    ChallengeRefused,
    ChallengeVerified,
    Event,
    InvitationText,
    Lane,
    MessageRequested,
    Notice,
    Person,
    Record,
    ReplyJudged,
    encode,
)
from shared.lifecycle import Tasks
from shared.seal import Sealer, about_appointment

log = structlog.get_logger(__name__)

BATCH = 100
PAUSE_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Between attempts while Valkey or the broker is away."""
STOP_SECONDS = 5.0
TIDY_SECONDS = 5.0

Json = dict[str, Any]

_CHALLENGE_EVENTS: dict[str, type[ChallengeEvent]] = {
    event.type: event
    for event in (
        ChallengeOpened,
        ChallengeVerified,
        ChallengeRefused,
        ChallengeLocked,
        ChallengeExpired,
        ChallengeClosed,
    )
}


class Publisher(Protocol):
    """What the relay needs of the bus."""

    async def publish(self, records: Sequence[Record]) -> None:
        """Raises BusUnavailable, Unpublishable."""


@dataclass(frozen=True, slots=True)
class Composer:
    """Builds events from outbox entries. The only place where a code exists outside the person's hands."""

    codes: Codes
    sealer: Sealer
    public_url: str

    def event(self, entry: Entry) -> Event:
        """The event that `entry` states. Raises KeyError, ValueError or TypeError where it is malformed."""
        body: Json = orjson.loads(entry.body)
        if entry.type == MessageRequested.type:
            return self._message(body, orjson.loads(entry.asking))
        if entry.type == ReplyJudged.type:
            return ReplyJudged(
                organisation_id=UUID(body["organisation"]),
                subject=UUID(body["reply"]),
                version=1,
                at=moment_of(body["at"]),
                causation_id=UUID(body["causation"]),
                conversation_id=UUID(body["conversation"]),
                outcomes=outcomes_of(body),
            )
        return _CHALLENGE_EVENTS[entry.type].model_validate(_challenge_fields(body))

    def _message(self, body: Json, asking: Json) -> MessageRequested:
        challenge, appointment, cycle = UUID(body["challenge"]), UUID(body["appointment"]), int(body["cycle"])
        attempt, n = int(body["attempt"]), body.get("n")
        subject = ids.message_id(challenge, "person", attempt)
        handle = self.codes.handle(body["kid"], challenge)
        secrets = {
            "handle": handle,
            "link": f"{self.public_url}/c/{handle}",
            "code": self.codes.code(body["kid"], challenge, int(n)) if n else None,
        }
        return MessageRequested(
            organisation_id=UUID(body["organisation"]),
            subject=subject,
            version=1,
            at=moment_of(body["at"]),
            not_after=moment_of(body["not_after"]),
            causation_id=_uuid(body.get("causation")),
            lane=Lane.URGENT,
            recipient=Person(
                fingerprints=asking["fingerprints"],
                phone_last3=asking["phone_last3"],
                contact=asking["contact"],
                about=about_appointment(appointment, cycle),
            ),
            language=asking["language"],
            text=InvitationText(
                organisation=asking["organisation"],
                unit=asking["unit"],
                post=asking["post"],
                has_code=bool(n),
                code_not_after=moment_of(body["code_not_after"]) if n else None,
            ),
            secrets=self.sealer.seal("notifier", str(subject), "secrets", secrets),
            attempt=attempt,
            appointment_id=appointment,
            cycle=cycle,
            challenge_id=challenge,
        )


def _challenge_fields(body: Json) -> Json:
    fields: Json = {
        "organisation_id": body["organisation"],
        "subject": body["challenge"],
        "version": int(body["version"]),
        "at": moment_of(body["at"]),
        "not_after": moment_of(body["not_after"]),
        "causation_id": body.get("causation"),
        "appointment_id": body["appointment"],
        "cycle": int(body["cycle"]),
        "via": body.get("via"),
        "reason": body.get("reason"),
    }
    if "notice" in body:
        fields["verified_at"] = moment_of(body["verified_at"])
        fields["notice"] = _notice(body["notice"])
        fields["name_consent"] = _notice(body["name_consent"])
    return fields


def _notice(stored: Json | None) -> Notice | None:
    return Notice.model_validate({**stored, "at": moment_of(stored["at"])}) if stored else None


def _uuid(text: str | None) -> UUID | None:
    return UUID(text) if text else None


class RelayMetrics:
    """What the relay counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics."""
        self.published = Counter(
            "boothline_otp_published_total", "Events published from the outbox", ["event"], registry=registry
        )
        self.parked = Counter("boothline_otp_parked_total", "Outbox entries set aside", registry=registry)
        self.waiting = Gauge("boothline_otp_outbox_entries", "Outbox entries not yet published", registry=registry)


class Relay:
    """One relay of a group; any number may run at once, since consumers compare versions and know message ids."""

    def __init__(
        self, outbox: Outbox, composer: Composer, publisher: Publisher, metrics: RelayMetrics, clock: Clock
    ) -> None:
        """Opens nothing."""
        self._outbox = outbox
        self._composer = composer
        self._publisher = publisher
        self._metrics = metrics
        self._clock = clock
        self._failures = 0
        self._waiting = False
        self._stopping = False

    @asynccontextmanager
    async def running(self, tasks: Tasks, name: str) -> AsyncIterator[None]:
        """Publishes until the block is left, and then ends what it has begun: what a relay leaves taken but not
        published waits until it counts as dead."""
        task = tasks.spawn(self.run(), name)
        try:
            yield
        finally:
            self._stopping = True
            if not self._waiting:
                await asyncio.wait({task}, timeout=STOP_SECONDS)
            task.cancel()
            await asyncio.wait({task}, timeout=STOP_SECONDS)

    async def run(self) -> None:
        """Publish for ever. What is in the way (Valkey, broker) is waited for."""
        while not self._stopping:
            try:
                await self._outbox.prepare(self._clock())
                await self._relay()
            except Unavailable as error:
                self._waiting = False
                pause = PAUSE_SECONDS[min(self._failures, len(PAUSE_SECONDS) - 1)]
                self._failures += 1
                log.warning("relay waits", error_code=error.code, seconds=pause)
                await asyncio.sleep(pause)

    async def _relay(self) -> None:
        while await self.publish(await self._outbox.unfinished(BATCH)):
            self._failures = 0
        clock, tidied = asyncio.get_running_loop().time, 0.0
        while not self._stopping:
            if clock() - tidied > TIDY_SECONDS:
                tidied = clock()
                await self.publish(await self._outbox.take_over(BATCH))
                await self._outbox.forget_dead()
                self._metrics.waiting.set(await self._outbox.length())
            self._waiting = True
            entries = await self._outbox.take(BATCH)
            self._waiting = False
            await self.publish(entries)
            self._failures = 0

    async def publish(self, entries: Sequence[Entry]) -> int:
        """Publish these, in order, then settle them. Raises Unavailable, and then they stay unfinished."""
        if not entries:
            return 0
        built: list[tuple[Entry, Event]] = []
        parked: list[Parked] = []
        for entry in entries:
            try:
                built.append((entry, self._composer.event(entry)))
            except (KeyError, ValueError, TypeError) as error:
                parked.append(Parked(entry, type(error).__name__))
        parked += await self._send(built)
        unsent = {each.entry.id for each in parked}
        done = [entry for entry in entries if entry.id not in unsent]
        await self._outbox.settle(done, parked, self._clock())
        for entry in done:
            self._metrics.published.labels(entry.type).inc()
        for each in parked:
            self._metrics.parked.inc()
            log.error("outbox entry set aside", event_type=each.entry.type, problem=each.problem)
        return len(entries)

    async def _send(self, built: Sequence[tuple[Entry, Event]]) -> list[Parked]:
        records = [encode(event, entry.trace) for entry, event in built]
        try:
            await self._publisher.publish(records)
        except Unpublishable:
            return [each for entry, event in built if (each := await self._send_alone(entry, event))]
        return []

    async def _send_alone(self, entry: Entry, event: Event) -> Parked | None:
        try:
            await self._publisher.publish([encode(event, entry.trace)])
        except Unpublishable as error:
            return Parked(entry, error.code)
        return None

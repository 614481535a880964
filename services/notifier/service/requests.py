"""Takes message requests into the ledger, and what otp and registry state about challenges and persons."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.notifier.domain.invitation import KEPT, Asked, Learned, Taken, handle_hash
from services.notifier.domain.message import SECRETS_FROM, Message
from services.notifier.domain.opening import secrets_of
from shared.batching import Batcher
from shared.events import (
    ChallengeEvent,
    ChannelPost,
    DeliveryEvent,
    InvitationText,
    Lane,
    MessageRequested,
    Person,
    PersonErased,
)
from shared.seal import Sealer
from shared.telemetry import current_trace

ROWS = 256
"""Messages in one transaction."""


class Store(Protocol):
    """What this needs of PostgreSQL; each method is one transaction."""

    async def take(self, asked: Sequence[Asked], now: datetime) -> Taken:
        """Queue messages, each once."""

    async def decide(self, event: ChallengeEvent, now: datetime) -> list[DeliveryEvent]:
        """Note a decided challenge; returns what was dropped."""

    async def erase(self, event: PersonErased, now: datetime) -> None:
        """Erase a person."""


class Requests:
    """The use cases behind the Kafka edge."""

    def __init__(
        self, store: Store, sealer: Sealer, wake: Mapping[Lane, Callable[[], None]], stated: Callable[[], None]
    ) -> None:
        """`wake` tells a lane's sender that there is something; `stated` the relay."""
        self._store = store
        self._sealer = sealer
        self._wake = wake
        self._stated = stated
        self._takes: Mapping[Lane, Batcher[tuple[Asked, datetime], bool]] = {
            lane: Batcher(self._writer(lane), limit=ROWS, key=_challenge) for lane in Lane
        }

    async def request(self, event: MessageRequested, now: datetime) -> None:
        """Queue the message: its id is its inbox, however often the event comes. Committed when this returns; requests
        of one time are one transaction, and codes never share one with announcements. Raises CannotOpen,
        DatabaseUnavailable."""
        asked = Asked(_message(event, current_trace.get()), self._learned(event))
        await self._takes[event.lane]((asked, now))

    def _writer(self, lane: Lane) -> Callable[[Sequence[tuple[Asked, datetime]]], Awaitable[Sequence[bool]]]:
        async def write(asked: Sequence[tuple[Asked, datetime]]) -> Sequence[bool]:
            taken = await self._store.take([each for each, _ in asked], max(now for _, now in asked))
            if any(taken.added):
                self._wake[lane]()
            if taken.dropped:
                self._stated()
            return taken.added

        return write

    async def decide(self, event: ChallengeEvent, now: datetime) -> None:
        """A challenge is decided: nothing unsent goes out for it any more."""
        if await self._store.decide(event, now):
            self._stated()

    async def erase(self, event: PersonErased, now: datetime) -> None:
        """A person is erased."""
        await self._store.erase(event, now)
        self._stated()

    def _learned(self, event: MessageRequested) -> Learned | None:
        text, person = event.text, event.recipient
        known = event.challenge_id is not None and event.appointment_id is not None and event.cycle is not None
        if not isinstance(text, InvitationText) or not isinstance(person, Person) or not known:
            return None
        assert event.challenge_id is not None
        assert event.appointment_id is not None
        return Learned(
            challenge_id=event.challenge_id,
            organisation_id=event.organisation_id,
            appointment_id=event.appointment_id,
            cycle=event.cycle or 1,
            handle_hash=self._handle_hash(event),
            fingerprints=person.fingerprints,
            organisation=text.organisation,
            unit=text.unit,
            post=text.post,
            language=event.language,
            contact=person.contact,
            about=person.about,
            code_not_after=text.code_not_after,
            not_after=event.at + KEPT,
        )

    def _handle_hash(self, event: MessageRequested) -> str | None:
        if event.secrets is None:
            return None
        sender = SECRETS_FROM[event.text.name]
        secrets = secrets_of(
            self._sealer.open(event.secrets, sender=sender, subject=str(event.subject), field="secrets")
        )
        return handle_hash(secrets.handle) if secrets.handle else None


def _challenge(item: tuple[Asked, datetime]) -> UUID:
    """One invitation is learned once in a batch."""
    message = item[0].message
    return message.challenge_id or message.id


def _message(event: MessageRequested, traceparent: str | None) -> Message:
    person = event.recipient if isinstance(event.recipient, Person) else None
    post = event.recipient if isinstance(event.recipient, ChannelPost) else None
    return Message(
        id=event.subject,
        organisation_id=event.organisation_id,
        lane=event.lane,
        template=event.text.name,
        text=event.text,
        language=event.language,
        attempt=event.attempt,
        created_at=event.at,
        fingerprints=person.fingerprints if person else {},
        contact=person.contact if person else None,
        about=person.about if person else None,
        chat_id=post.chat_id if post else None,
        secrets=event.secrets,
        not_after=event.not_after,
        appointment_id=event.appointment_id,
        cycle=event.cycle,
        challenge_id=event.challenge_id,
        unit_id=post.unit_id if post else event.text.unit.id,
        causation_id=event.event_id,
        traceparent=traceparent,
    )

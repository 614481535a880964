"""A notifier without Kafka and HTTP: ledger and lanes on a real database, a channel that does as the test says."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from prometheus_client import CollectorRegistry

from services.notifier.app import texts
from services.notifier.domain.failures import SendFailure
from services.notifier.domain.message import Accepted, Letter, Outgoing
from services.notifier.domain.ports import Silent
from services.notifier.service.metrics import Metrics
from services.notifier.service.opening import Opener
from services.notifier.service.requests import Requests
from services.notifier.service.sender import Sender
from services.notifier.service.sending import Parts
from services.notifier.store.database import Database
from services.notifier.store.ledger import Ledger
from services.notifier.store.receipts import Afterwards
from services.notifier.store.requests import Requests as RequestStore
from services.notifier.store.vault import Vault
from shared.events import EVENTS, Channel, DeliveryEvent, Lane, MessageRequested
from tests.integration.notifier.asking import Asking, ring, sealer

CONNECTIONS = 6
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


class Hand:
    """A clock that the test moves."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        """Later."""
        self.now += timedelta(seconds=seconds)


class NoLimit:
    """Every place is free."""

    def __init__(self) -> None:
        self.pauses: list[tuple[str, float]] = []

    async def acquire(self, *_: object, **__: object) -> float:
        """Granted."""
        return 0.0

    async def pause(self, credential: str, seconds: float) -> None:
        """Noted."""
        self.pauses.append((credential, seconds))


Answer = Callable[[Outgoing], Awaitable[Accepted]]


class Scripted:
    """A channel that answers as told and counts what it sent."""

    receipts = True
    two_way = True

    def __init__(self, name: Channel = Channel.SMS, answer: Answer | None = None) -> None:
        self.name = name
        self.provider = "twilio" if name is Channel.SMS else "telegram"
        self.credential = f"{self.provider}:test"
        self.receipts = name is Channel.SMS
        self.sent: list[Outgoing] = []
        self._answer = answer or self.accept

    async def accept(self, _: Outgoing) -> Accepted:
        """The provider takes it."""
        return Accepted(f"ref-{len(self.sent)}")

    def chat(self, _: Outgoing) -> str | None:
        """No limit of its own."""
        return None

    def render(self, letter: Letter) -> Outgoing:
        """As SMS."""
        body, parts = texts().write(letter, True)
        message = letter.message
        return Outgoing(message.id, message.lane, message.tries + 1, letter.address, body, parts, message.not_after)

    async def send(self, outgoing: Outgoing) -> Accepted:
        """Count it, then do as told."""
        self.sent.append(outgoing)
        return await self._answer(outgoing)

    def times(self) -> Counter[UUID]:
        """How often each message was sent."""
        return Counter(outgoing.message_id for outgoing in self.sent)


def failing(*failures: SendFailure | None) -> Answer:
    """Fails with these, one a call (None accepts), then accepts."""
    script = list(failures)

    async def answer(outgoing: Outgoing) -> Accepted:
        failure = script.pop(0) if script else None
        if failure is not None:
            raise failure
        return Accepted("ref")

    return answer


@dataclass
class Engine:
    """What a test needs of a notifier."""

    database: Database
    clock: Hand = field(default_factory=Hand)
    pacer: Any = field(default_factory=NoLimit)
    channels: dict[Channel, Scripted] = field(default_factory=lambda: {Channel.SMS: Scripted()})
    informant: Any = field(default_factory=Silent)

    def __post_init__(self) -> None:
        self.asking = Asking(self.clock.now)
        self.ledger = Ledger(self.database)
        self.afterwards = Afterwards(self.database)
        self.sealer = sealer(self.asking.keys, "notifier")
        self.vault = Vault(ring(self.asking.keys.store))
        self.metrics = Metrics(CollectorRegistry(), [(c.provider, c.name.value) for c in self.channels.values()])
        self.senders: list[Sender] = []
        wake = dict.fromkeys(Lane, self._wake)
        store = RequestStore(self.database, self.informant)
        self.requests = Requests(store, self.sealer, wake, self._nothing)

    def parts(self) -> Parts:
        """What lanes send with."""
        opener = Opener(self.sealer, self.vault)
        return Parts(
            self.ledger, self.pacer, self.channels, opener, self.metrics, self.clock, lambda: 1.0, self._nothing
        )

    def sender(self, lane: Lane = Lane.URGENT, *, workers: int = 4, **more: Any) -> Sender:
        """A lane."""
        sender = Sender(self.parts(), lane, workers=workers, **more)
        self.senders.append(sender)
        return sender

    def move(self, seconds: float) -> None:
        """Later; the lanes look again at once instead of at their next poll."""
        self.clock.move(seconds)
        self._wake()

    async def request(self, event: MessageRequested) -> UUID:
        """As if it came from Kafka."""
        await self.requests.request(event, self.clock())
        return event.subject

    async def row(self, message_id: UUID) -> Any:
        """The ledger's row."""
        async with self.database.connection() as db:
            return await db.fetchrow("SELECT * FROM message WHERE id = $1", message_id)

    async def reaches(self, message_id: UUID, state: str) -> Any:
        """The row, once it is in `state`."""
        return await until(lambda: self._row_in(message_id, state))

    async def passes(self, phone: str = "+915550000210") -> UUID:
        """Another invitation has gone out: whatever was due before it, has, too."""
        later = await self.request(self.asking.invitation(phone, not_after=self.clock() + timedelta(minutes=9)))
        await self.reaches(later, "accepted")
        return later

    async def _row_in(self, message_id: UUID, state: str) -> Any:
        row = await self.row(message_id)
        return row if row["state"] == state else None

    async def stated(self, message_id: UUID | None = None) -> list[DeliveryEvent]:
        """Delivery events in the outbox, in order."""
        async with self.database.connection() as db:
            rows = await db.fetch("SELECT type, body FROM outbox WHERE type LIKE 'delivery.%' ORDER BY id")
        events = [EVENTS[row["type"]].model_validate_json(row["body"]) for row in rows]
        found = [event for event in events if isinstance(event, DeliveryEvent)]
        return [event for event in found if message_id in {None, event.subject}]

    async def told(self, message_id: UUID | None = None) -> list[str]:
        """Their types, short."""
        return [event.type.split(".")[1] for event in await self.stated(message_id)]

    def _wake(self) -> None:
        for sender in self.senders:
            sender.wakeup.wake()

    @staticmethod
    def _nothing() -> None:
        return


async def until(question: Callable[[], Awaitable[Any]], seconds: float = 60.0) -> Any:
    """The first answer that is something."""
    async with asyncio.timeout(seconds):
        while not (answer := await question()):  # noqa: ASYNC110 # rows of a database raise no event
            await asyncio.sleep(0.01)
    return answer


@asynccontextmanager
async def engine(url: str, **more: Any) -> AsyncIterator[Engine]:
    """An engine on the database at `url`."""
    async with Database(url, connections=CONNECTIONS) as database:
        yield Engine(database, **more)

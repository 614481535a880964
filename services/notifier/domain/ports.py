"""What the use cases need from outside: channels, pacing, the vault."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from services.notifier.domain.delivery import Settlement
from services.notifier.domain.message import Accepted, Letter, Link, Message, Outgoing
from shared.events import ChallengeEvent, Lane, PersonErased, ReplyJudged
from shared.events import Channel as ChannelName


class Channel(Protocol):
    """A way out: one provider under one credential."""

    @property
    def name(self) -> ChannelName:
        """Telegram or SMS."""

    @property
    def provider(self) -> str:
        """Stands in events and metrics: `twilio`, `telegram`."""

    @property
    def credential(self) -> str:
        """Names the bucket that all replicas share; never the secret itself."""

    @property
    def receipts(self) -> bool:
        """Whether the provider says later that the phone has it. Without, accepted is final."""

    @property
    def two_way(self) -> bool:
        """Whether people can answer: a text invites a reply only where it is true."""

    def chat(self, outgoing: Outgoing) -> str | None:
        """The chat whose own limit applies, or None where only the credential is limited."""

    def render(self, letter: Letter) -> Outgoing:
        """The message in this channel's form. Pure; raises SendFailure (permanent) where it cannot be said."""

    async def send(self, outgoing: Outgoing) -> Accepted:
        """Send once. Raises SendFailure, which says whether anything may have reached the provider."""


class Pacer(Protocol):
    """The provider's limits, shared by all replicas: never more than the limit in any sliding second."""

    async def acquire(
        self, credential: str, chat: str | None, lane: Lane, *, cost: int = 1, at_most: float = 5.0
    ) -> float:
        """Wait for a place, at most `at_most` seconds. Returns 0.0 when it is granted, else the seconds after which
        asking again makes sense. A share of the credential's limit is kept free for the urgent lane."""

    async def pause(self, credential: str, seconds: float) -> None:
        """The provider said 429: nobody sends by `credential` for that long."""


class Vault(Protocol):
    """Encryption at rest under our own key; every box is bound to what it is about."""

    def lock(self, value: bytes, about: str) -> str:
        """Encrypted text, with the key id in front."""

    def unlock(self, box: str, about: str) -> bytes:
        """Raises CannotUnlock when the box is not about `about` or its key is gone."""


class Ledger(Protocol):
    """The durable queue, and what routing must know of the recipient."""

    async def claim(self, lane: Lane, limit: int, now: datetime, visible: timedelta) -> list[Message]:
        """Up to `limit` due messages of the lane; nobody else gets them for `visible`."""

    async def release(self, ids: Collection[UUID], now: datetime) -> None:
        """Give claimed messages back that were not sent."""

    async def stamp(self, stamps: Sequence[Settlement], now: datetime, lease: timedelta) -> list[bool]:
        """Commit the intent to send; False: not ours any more."""

    async def settle(self, settlements: Sequence[Settlement], now: datetime) -> list[bool]:
        """Commit outcomes with their events; False: decided elsewhere."""

    async def links(self, prints: Collection[str]) -> list[Link]:
        """Telegram accounts linked with these phones, the latest shared contact last."""

    async def opted_out(self, prints: Collection[str]) -> set[str]:
        """Which of these phones want no announcements."""


class Informant(Protocol):
    """The bot's ear: told of facts inside the transaction that records them; it writes rows and calls nobody."""

    async def judged(self, tx: Any, event: ReplyJudged) -> None:
        """A reply that did not come by SMS was judged: its chat is to be answered."""

    async def changed(self, tx: Any, event: ChallengeEvent) -> None:
        """A challenge was decided, somewhere: chats that show it are to be updated."""

    async def erased(self, tx: Any, event: PersonErased) -> None:
        """A person is erased: forget dialogs, links and texts of theirs."""

    def committed(self) -> None:
        """What was written is committed: look now."""


class Silent:
    """No bot in this installation: nobody is told."""

    async def judged(self, tx: Any, event: ReplyJudged) -> None:
        """Nothing."""

    async def changed(self, tx: Any, event: ChallengeEvent) -> None:
        """Nothing."""

    async def erased(self, tx: Any, event: PersonErased) -> None:
        """Nothing."""

    def committed(self) -> None:
        """Nothing."""

"""What the use cases need from outside: channels, pacing, the vault."""

from typing import Protocol

from services.notifier.domain.message import Accepted, Letter, Outgoing
from shared.events import Channel as ChannelName
from shared.events import Lane


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

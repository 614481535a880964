"""A person's SMS on its way through: what arrived, what follows from it, what may be asked meanwhile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.notifier.domain.invitation import Known
from services.notifier.domain.message import Message
from shared.events import Event

NOTICE_VERSION = "1"
"""The privacy notice that texts link to (the confirm page shows it)."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """An inbound message that is being handled; the payload is locked."""

    reply_id: UUID
    payload: str = field(repr=False)
    traceparent: str | None
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Reply:
    """Where a reply came from; the phone is locked."""

    id: UUID
    conversation_id: UUID
    phone: str | None = field(repr=False)
    fingerprints: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Done:
    """What follows from an inbound message."""

    conversation_id: UUID | None
    fingerprints: Mapping[str, str]
    phone: str | None = field(repr=False)
    kind: str
    events: Sequence[Event] = ()
    answer: Message | None = None
    suppress: bool | None = None
    """True: no announcements any more; False: again; None: nothing said about it."""


class Questions(Protocol):
    """What handling may ask inside its transaction."""

    async def known(self, challenge_id: UUID) -> Known | None:
        """The invitation of a challenge."""

    async def language(self, prints: Sequence[str]) -> str | None:
        """The language in which this phone was last invited."""

    async def answered(self, conversation_id: UUID, now: datetime) -> list[tuple[datetime, str]]:
        """Answers to this conversation within a day: when, and what."""

"""The bot's ear on Kafka: outcomes become answers, in the transaction that records them."""

from collections.abc import Callable, Collection
from datetime import timedelta
from uuid import UUID

from services.notifier.bot.phrases import Phrases
from services.notifier.service.telegram.outcomes import Outcomes
from services.notifier.store.database import Connection
from services.notifier.store.telegram.answers import Answers
from services.notifier.store.telegram.dialog import Memory
from shared.clock import Clock
from shared.events import ChallengeEvent, PersonErased, ReplyJudged

LATE = timedelta(minutes=10)
"""A post that was on its way while its person was erased has arrived by then, or never will."""


class Informant:
    """Writes rows and calls nobody; the speaker says them."""

    def __init__(
        self, outcomes: Outcomes, phrases: Phrases, answers: Answers, clock: Clock, wake: Callable[[], None]
    ) -> None:
        """`wake` tells the speaker that something was committed."""
        self._outcomes = outcomes
        self._phrases = phrases
        self._answers = answers
        self._clock = clock
        self._wake = wake

    async def judged(self, tx: Connection, event: ReplyJudged) -> None:
        """A reply was judged: its chat is answered, once."""
        now = self._clock()
        says = await self._outcomes.judged(Memory(tx), event, now)
        await self._answers.put(tx, [self._phrases.calls(saying, now) for saying in says], now)

    async def changed(self, tx: Connection, event: ChallengeEvent) -> None:
        """A challenge was decided, somewhere: every question about it in Telegram says so."""
        now = self._clock()
        says = await self._outcomes.over(Memory(tx), event.subject)
        await self._answers.put(tx, [self._phrases.calls(saying, now) for saying in says], now)

    async def sweep(self, tx: Connection) -> int:
        """Questions that arrived after their challenge was decided, posts that arrived after their person was erased;
        returns how many."""
        now = self._clock()
        says = await self._outcomes.late(Memory(tx))
        await self._answers.put(tx, [self._phrases.calls(saying, now) for saying in says], now)
        return len(says) + await self._unname(tx, await Memory(tx).erased_since(now - LATE))

    async def erased(self, tx: Connection, event: PersonErased) -> None:
        """A person is erased: their chats are forgotten, nothing more is said there, and posts lose their name."""
        prints = [print_ for phone in event.fingerprints for print_ in phone.values()]
        await self._answers.erase(tx, prints)
        await self._unname(tx, event.appointment_ids)

    async def _unname(self, tx: Connection, appointments: Collection[UUID]) -> int:
        now = self._clock()
        posts = await Memory(tx).posts(appointments)
        await self._answers.put(tx, [self._phrases.calls(post, now) for post in posts], now)
        return len(posts)

    def committed(self) -> None:
        """Look now."""
        self._wake()

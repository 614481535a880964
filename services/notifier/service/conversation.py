"""Answers and opt-outs by SMS: from the webhook's row to evidence for otp, and from its verdict to an answer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, cast
from uuid import UUID

import orjson
import structlog

from services.notifier.domain.conversation import NOTICE_VERSION, Arrived, Done, Questions, Reply
from services.notifier.domain.inbound import Kind, Meaning, may_answer, understand, worth_saying
from services.notifier.domain.invitation import Known
from services.notifier.domain.message import ANSWER, AnswerText, Message
from services.notifier.domain.ports import Vault
from services.notifier.service.metrics import Metrics
from services.notifier.service.opening import phone_of
from shared import ids
from shared.clock import Clock
from shared.errors import Failure, Unavailable
from shared.events import CodeEvidence, Lane, Language, Outcome, RefusalEvidence, ReplyJudged, ReplyReceived, Via
from shared.lifecycle import Wakeup
from shared.phone import Fingerprinter
from shared.seal import Sealer

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0
ANSWER_VALID = timedelta(hours=1)
"""A later answer would only confuse."""


class Store(Protocol):
    """What this needs of PostgreSQL."""

    async def add(self, provider: str, inbound_id: str, reply_id: UUID, payload: str, now: datetime) -> bool:
        """Keep an inbound message, once."""

    async def next(self, handle: Callable[[Arrived, Questions], Awaitable[Done | None]], now: datetime) -> bool:
        """Take one unhandled message through `handle`."""

    async def judged(
        self,
        event: ReplyJudged,
        answer: Callable[[Reply, Questions], Awaitable[tuple[Message, str] | None]],
        now: datetime,
    ) -> bool:
        """Answer a judged reply, once."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What reads and hides phones."""

    sealer: Sealer
    vault: Vault
    fingerprinter: Fingerprinter
    normalise: Callable[[str], str]
    """Raw number -> E.164; raises a Failure."""


class Conversation:
    """SMS from people."""

    def __init__(
        self,
        store: Store,
        keys: Keys,
        organisation_id: UUID,
        clock: Clock,
        metrics: Metrics,
        *,
        sending: Callable[[], None],
        stated: Callable[[], None],
    ) -> None:
        """`sending` wakes the urgent sender, `stated` the relay."""
        self._store = store
        self._keys = keys
        self._organisation_id = organisation_id
        self._clock = clock
        self._metrics = metrics
        self._sending = sending
        self._stated = stated
        self.wakeup = Wakeup()

    async def take(self, provider: str, inbound_id: str, sender: str, body: str, opt_out: str) -> None:
        """Keep an inbound message, encrypted; committed when this returns. A redelivery changes nothing."""
        reply_id = ids.reply_id(provider, inbound_id)
        payload = self._keys.vault.lock(orjson.dumps([sender, body, opt_out]), f"sms:{reply_id}")
        if await self._store.add(provider, inbound_id, reply_id, payload, self._clock()):
            self.wakeup.wake()

    async def run(self) -> None:
        """Handle what was kept, until cancelled."""
        while True:
            try:
                while await self._store.next(self._safely, self._clock()):
                    self._stated()
                    self._sending()
            except Failure as failure:
                log.warning("inbound waits", error_code=failure.code)
            await self.wakeup.wait(POLL_SECONDS)

    async def _safely(self, arrived: Arrived, questions: Questions) -> Done | None:
        """None for a row that cannot be handled: after some tries it is set aside, and the next ones go on."""
        try:
            return await self.handle(arrived, questions)
        except Unavailable:
            raise
        except Exception as error:  # whatever a row holds, the loop survives
            log.warning("reply cannot be handled", reply_id=str(arrived.reply_id), exc_info=error)
            return None

    async def handle(self, arrived: Arrived, questions: Questions) -> Done | None:
        """What follows from one message: evidence for otp, an opt-out, or a short help. Pure but for `questions`."""
        now = self._clock()
        sender, body, opt_out = orjson.loads(self._keys.vault.unlock(arrived.payload, f"sms:{arrived.reply_id}"))
        try:
            phone = self._keys.normalise(sender)
        except Failure:
            self._metrics.inbound.labels("unreadable").inc()  # a short code or a foreign number: nobody to answer
            return Done(None, {}, None, "unreadable")
        prints = self._keys.fingerprinter.of(phone)
        conversation = ids.conversation_id("sms", prints[self._keys.fingerprinter.oldest])
        language = cast("Language", await questions.language(list(prints.values())) or "hi")
        locked = self._keys.vault.lock(phone.encode(), phone_of(arrived.reply_id))
        reply = Reply(arrived.reply_id, conversation, locked, prints)
        meaning = understand(body, opt_out)
        self._metrics.inbound.labels(_counted(meaning.kind)).inc()
        if meaning.kind in {Kind.CODE, Kind.REFUSAL}:
            event = self._evidence(reply, meaning, language, now)
            return Done(conversation, prints, locked, meaning.kind, events=(event,))
        said = {Kind.STOP: "stopped", Kind.START: "started"}.get(meaning.kind, meaning.kind.value)
        fits = may_answer(said, await questions.answered(conversation, now), now)
        answer = self._compose(reply, AnswerText(kind=said), language, None, now) if fits else None
        suppress = {Kind.STOP: True, Kind.START: False}.get(meaning.kind)
        # The carrier itself answers STOP and refuses to send us another word to that number: stay silent.
        silent = meaning.kind is Kind.STOP and opt_out == "STOP"
        return Done(conversation, prints, locked, said, answer=None if silent else answer, suppress=suppress)

    async def judged(self, event: ReplyJudged) -> None:
        """Tell the person what became of their reply; silence when the caps say so."""
        now = self._clock()

        async def answer(reply: Reply, questions: Questions) -> tuple[Message, str] | None:
            told = worth_saying(event.outcomes)
            kind = told.result.value if told else "nothing"
            if not may_answer(kind, await questions.answered(reply.conversation_id, now), now):
                return None
            known = await questions.known(told.challenge_id) if told else None
            language = known.language if known else await questions.language(list(reply.fingerprints.values()))
            text = _verdict(kind, told, known, now)
            return self._compose(reply, text, cast("Language", language or "hi"), known, now), kind

        if await self._store.judged(event, answer, now):
            self._sending()

    def _evidence(self, reply: Reply, meaning: Meaning, language: Language, now: datetime) -> ReplyReceived:
        evidence = (
            CodeEvidence(
                fingerprints=dict(reply.fingerprints),
                code=meaning.code or "",
                notice_version=NOTICE_VERSION,
                language=language,
            )
            if meaning.kind is Kind.CODE
            else RefusalEvidence(fingerprints=dict(reply.fingerprints), code=meaning.code or "")
        )
        sealed = self._keys.sealer.seal("otp", str(reply.id), "evidence", evidence.model_dump(mode="json"))
        return ReplyReceived(
            organisation_id=self._organisation_id,
            subject=reply.id,
            version=1,
            at=now,
            conversation_id=reply.conversation_id,
            via=Via.SMS,
            evidence=sealed,
        )

    def _compose(
        self, reply: Reply, text: AnswerText, language: Language, known: Known | None, now: datetime
    ) -> Message:
        named = known is not None and known.contact is not None  # its contact names the recorder
        return Message(
            id=ids.message_id(reply.id, ANSWER, 1),
            organisation_id=known.organisation_id if known else self._organisation_id,
            lane=Lane.URGENT,
            template=ANSWER,
            text=text,
            language=language,
            attempt=1,
            created_at=now,
            fingerprints=reply.fingerprints,
            contact=known.contact if known and named else None,
            about=known.about if known and named else None,
            phone=None if named else reply.phone,
            not_after=now + ANSWER_VALID,
            causation_id=reply.id,
        )


def _counted(kind: Kind) -> str:
    return "help" if kind is Kind.REFUSAL_WITHOUT_CODE else kind.value


def _verdict(kind: str, told: Outcome | None, known: Known | None, now: datetime) -> AnswerText:
    minutes = None
    if told is not None and told.retry_at is not None:
        minutes = max(1, -int(-(told.retry_at - now).total_seconds() // 60))
    return AnswerText(
        kind=kind,
        unit=known.unit if known else None,
        post=known.post if known else None,
        guesses_left=told.guesses_left if told else None,
        retry_minutes=minutes,
    )

"""What lies in the topics, read without a group, and how far each group is."""

from collections.abc import AsyncIterator
from hashlib import blake2b

from shared.bus import DeadLetter, Reader, Received
from shared.events import TOPICS, Event, MessageRequested, Undecodable, UnknownType, UnknownVersion, decode
from shared.events.catalogue import GROUPS
from stack.audit.notebook import Notebook
from stack.audit.rules import Dead
from stack.audit.story import Stated

_AT_ONCE = 2_000
_JUDGED = frozenset({"reply.received.v1", "reply.judged.v1"})


async def read_topics(reader: Reader, notebook: Notebook) -> tuple[Dead, ...]:
    """Every record; returns the dead letters and what is no event at all."""
    page: list[Stated] = []
    strange: list[Dead] = []
    async for record in reader.read(TOPICS):
        try:
            page.append(stated(decode(record.value, record.headers)))
        except (Undecodable, UnknownType, UnknownVersion) as failure:
            strange.append(Dead(record.place.topic, "audit", failure.code))
        if len(page) >= _AT_ONCE:
            notebook.add(Stated, page)
            page.clear()
    notebook.add(Stated, page)
    return (*strange, *[dead async for dead in _dead(reader)])


async def lag(reader: Reader) -> dict[str, int]:
    """Records that each group has before it."""
    lags = await reader.lags(GROUPS)
    return {name: sum(lag.records for lag in lags if lag.group == name) for name in GROUPS}


def stated(event: Event) -> Stated:
    """A record as the audit compares it. What is sealed is sealed anew at each publishing, so it does not count."""
    sealed = {"secrets"} if isinstance(event, MessageRequested) else set()
    body = event.model_dump_json(exclude=sealed).encode()
    appointment = getattr(event, "appointment_id", None)
    key = event.subject if event.type in _JUDGED else appointment or event.subject
    return Stated(
        key=str(key),
        type=event.type,
        subject=str(event.subject),
        version=event.version,
        event=str(event.event_id),
        digest=blake2b(body, digest_size=8).hexdigest(),
        cycle=getattr(event, "cycle", None) or 0,
    )


async def _dead(reader: Reader) -> AsyncIterator[Dead]:
    there = await reader.topics()
    topics = [topic.dead for topic in TOPICS if topic.dead.name in there]
    async for record in reader.read(topics):
        yield _dead_of(record)


def _dead_of(record: Received) -> Dead:
    letter = DeadLetter.read(record)
    return Dead(record.place.topic, letter.group, letter.reason) if letter else Dead(record.place.topic, "?", "strange")

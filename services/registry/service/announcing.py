"""Telling the members of a unit and of the units above that a post is held: a page at a time, however many they are."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import structlog

from services.registry.domain.ports import Store, Work
from services.registry.domain.records import Announcement, Appointment, Channel, Entry, Holder, Recipient
from services.registry.domain.statements import Statements
from services.registry.domain.states import State
from services.registry.service.scenes import scene_of
from shared.errors import Unavailable
from shared.events import Event
from shared.lifecycle import Wakeup

log = structlog.get_logger(__name__)

PAGE = 300
"""Messages in one transaction: sealing them takes some 50 ms, in which nothing else is done."""
LOOK_SECONDS = 5.0
"""Between looks for what a process that died has left."""
_FIRST = UUID(int=0)


class Announcing:
    """Writes announcements."""

    def __init__(self, store: Store, statements: Statements, page: int = PAGE) -> None:
        """Nothing is opened."""
        self._store = store
        self._statements = statements
        self._page = page
        self.wakeup = Wakeup()
        """Woken when an announcement goes on after its first page was committed."""

    async def begin(
        self, work: Work, appointment: Appointment, challenge_id: UUID, now: datetime, trace: str | None
    ) -> Entry | None:
        """In the transaction that verifies: the post to the channel and the first page. The rest follows by `step`.
        What to note of it; None: nobody is told."""
        holder = await _holder(work, appointment)
        if holder is None:
            return None
        announcement = Announcement(challenge_id, appointment.organisation_id, appointment.id, _FIRST, now, trace)
        channel = await work.units.nearest_channel(appointment.unit_id)
        page = await work.people.audience(appointment.unit_id, holder.person_id, _FIRST, self._page)
        await self._write(work, appointment, holder, announcement, [*page, *([channel] if channel else [])])
        members = len(page)
        if members == self._page:
            await work.announcements.keep(announcement.after(page[-1].person_id))
            members = await work.people.audience_size(appointment.unit_id, holder.person_id)
        if not (members or channel):
            return None
        details: dict[str, object] = {"members": members, "channel": channel is not None}
        return Entry(appointment, "announced", now, details, appointment.cycle, trace)

    def goes_on(self, entry: Entry) -> bool:
        """Whether what was noted is an announcement of more than one page."""
        members = entry.details.get("members")
        return entry.kind == "announced" and isinstance(members, int) and members >= self._page

    async def step(self) -> bool:
        """Write the next page of an announcement under way; False: there is none. What has ended meanwhile, or whose
        person was erased, is told to nobody else. Raises DatabaseUnavailable."""
        async with self._store.transaction() as work:
            announcement = await work.announcements.claim()
            if announcement is None:
                return False
            appointment = await work.appointments.get(announcement.organisation_id, announcement.appointment_id)
            holder = await _holder(work, appointment) if appointment else None
            page: Sequence[Recipient] = ()
            if appointment and holder and appointment.state is State.VERIFIED:
                last = announcement.after_person
                page = await work.people.audience(appointment.unit_id, holder.person_id, last, self._page)
                await self._write(work, appointment, holder, announcement, page)
            if len(page) == self._page:
                await work.announcements.keep(announcement.after(page[-1].person_id))
            else:
                await work.announcements.end(announcement)
        return True

    async def _write(
        self,
        work: Work,
        appointment: Appointment,
        holder: Holder,
        announcement: Announcement,
        recipients: Sequence[Recipient | Channel],
    ) -> None:
        if not recipients:
            return
        scene = await scene_of(work, appointment)
        messages: list[tuple[Event, Sequence[UUID]]] = []
        for to in recipients:
            message = self._statements.announcement(
                appointment, scene, holder, to, about=announcement.challenge_id, now=announcement.at
            )
            persons = [holder.person_id, to.person_id] if isinstance(to, Recipient) else [holder.person_id]
            messages.append((message, persons))
        await work.outbox.add_all(messages, announcement.trace)

    async def run(self) -> None:
        """Write whatever is under way, until cancelled."""
        while True:
            try:
                while await self.step():
                    pass
            except Unavailable as failure:
                log.warning("announcements wait", error_code=failure.code)
            await self.wakeup.wait(LOOK_SECONDS)


async def _holder(work: Work, appointment: Appointment) -> Holder | None:
    if appointment.contact_id is None:
        return None
    return await work.people.holder(appointment.person_id, appointment.contact_id)

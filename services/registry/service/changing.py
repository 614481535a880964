"""Correcting a wrong phone, issuing again, ending: each is the next version of the appointment."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.registry.domain.commands import Answer, EndReason, Once
from services.registry.domain.failures import AlreadyEnded, CannotCorrect, CannotReissue, SamePhone, Stale
from services.registry.domain.phonebook import Phone, Phonebook, choose_holder
from services.registry.domain.ports import Store, Work
from services.registry.domain.principal import Permission, Principal
from services.registry.domain.recording import answer_of
from services.registry.domain.records import Appointment, Holder
from services.registry.domain.statements import INVITATION_DAYS, Statements
from services.registry.domain.states import State
from services.registry.service.recording import seat_taken
from services.registry.service.repeating import once_only
from services.registry.service.scenes import lock_appointment, scene_of
from shared import ids
from shared.events import AppointmentReissued


@dataclass(frozen=True, slots=True)
class Change:
    """Which appointment is to be changed, by whom, when."""

    principal: Principal
    appointment_id: UUID
    now: datetime
    version: int | None = None
    """The one that the caller saw; another one raises Stale."""
    once: Once | None = None


class Changing:
    """Changes appointments. All raise NotPermitted, NoSuchAppointment, OutOfScope, Stale, KeyReused."""

    def __init__(self, store: Store, statements: Statements, phonebook: Phonebook) -> None:
        """Nothing is opened."""
        self._store = store
        self._statements = statements
        self._phonebook = phonebook

    async def correct_phone(self, change: Change, phone: str, *, shared_phone: bool = False) -> Answer:
        """Ask another phone: the next cycle. Raises CannotCorrect, SamePhone, PhoneShared, SeatTaken, and what
        `Phonebook.read` raises."""
        change.principal.require(Permission.RECORD)
        number = self._phonebook.read(phone)

        async def act() -> Answer:
            await work.people.alone_with(number.fingerprints)
            appointment = await _current(work, change)
            holder = await _holder(work, appointment)
            if not appointment.state.correctable or holder is None:
                raise CannotCorrect(state=appointment.state.value)
            if holder.contact.fingerprints.items() & number.fingerprints.items():
                raise SamePhone(field="phone")
            holder = await self._with_phone(work, change, holder, number, shared_phone=shared_phone)
            return await self._next_cycle(work, change, appointment, holder, kind="phone_corrected")

        async with self._store.transaction() as work:
            return await once_only(work, change.principal, change.once, change.now, act)

    async def reissue(self, change: Change) -> Answer:
        """Ask the same phone again after a lock or an expired invitation: the next cycle. Raises CannotReissue,
        SeatTaken."""
        change.principal.require(Permission.RECORD)

        async def act() -> Answer:
            appointment = await _current(work, change)
            holder = await _holder(work, appointment)
            if not appointment.state.reissuable or holder is None:
                raise CannotReissue(state=appointment.state.value)
            return await self._next_cycle(work, change, appointment, holder, kind="reissued")

        async with self._store.transaction() as work:
            return await once_only(work, change.principal, change.once, change.now, act)

    async def end(self, change: Change, reason: EndReason) -> Answer:
        """End it, whatever is in flight. Raises AlreadyEnded."""
        change.principal.require(Permission.RECORD)

        async def act() -> Answer:
            appointment = await _current(work, change)
            if appointment.state is State.ENDED:
                raise AlreadyEnded
            holder = await _holder(work, appointment)
            ended = await end_appointment(
                work, self._statements, appointment, reason, now=change.now, by=change.principal.name
            )
            last3 = holder.contact.last3 if holder else "***"
            return answer_of(ended, await scene_of(work, ended), last3, created=False)

        async with self._store.transaction() as work:
            return await once_only(work, change.principal, change.once, change.now, act)

    async def _with_phone(
        self, work: Work, change: Change, holder: Holder, number: Phone, *, shared_phone: bool
    ) -> Holder:
        organisation = change.principal.organisation_id
        found = await work.people.holders(organisation, number.fingerprints)
        owner = choose_holder(holder.name, found, shared_phone=shared_phone)
        if owner is not None and owner.person_id == holder.person_id:
            return Holder(holder.person_id, holder.name, owner.contact)
        # The appointment keeps its person: somebody of this name with this phone may be the same person, but merging
        # people is a decision of its own.
        contact = self._phonebook.contact(ids.new_id(), holder.person_id, number)
        await work.people.add_contact(organisation, contact, change.now)
        return Holder(holder.person_id, holder.name, contact)

    async def _next_cycle(
        self, work: Work, change: Change, appointment: Appointment, holder: Holder, *, kind: str
    ) -> Answer:
        renewed = replace(
            appointment,
            contact_id=holder.contact.id,
            state=State.RECORDED,
            state_at=change.now,
            cycle=appointment.cycle + 1,
            version=appointment.version + 1,
            invited_at=change.now,
            not_after=change.now + INVITATION_DAYS,
        )
        scene = await scene_of(work, renewed)
        if appointment.state.live:
            await work.appointments.save(renewed)
        else:
            seat = await work.appointments.retake_seat(renewed, scene.post.seats)
            if seat is None:
                raise await seat_taken(work, scene.unit, scene.post)
            renewed = replace(renewed, seat=seat)
        await work.appointments.open_challenge(renewed, ids.challenge_id(renewed.id, renewed.cycle))
        await work.appointments.note(renewed, kind, change.now, {"recorder": change.principal.name})
        event = self._statements.invited(AppointmentReissued, renewed, scene, holder)
        await work.outbox.add([event], about=[holder.person_id])
        return answer_of(renewed, scene, holder.contact.last3, created=False)


async def end_appointment(
    work: Work, statements: Statements, appointment: Appointment, reason: EndReason, *, now: datetime, by: str
) -> Appointment:
    """End `appointment`, which is not ended yet, and state it."""
    ended = replace(
        appointment,
        state=State.ENDED,
        state_at=now,
        version=appointment.version + 1,
        ended_at=now,
        ended_reason=reason,
    )
    await work.appointments.save(ended)
    await work.appointments.note(ended, "ended", now, {"reason": reason, "by": by})
    await work.outbox.add([statements.ended(ended, reason, now)])
    return ended


async def _current(work: Work, change: Change) -> Appointment:
    appointment = await lock_appointment(work, change.principal, change.appointment_id)
    if change.version is not None and change.version != appointment.version:
        raise Stale(version=appointment.version)
    return appointment


async def _holder(work: Work, appointment: Appointment) -> Holder | None:
    if appointment.contact_id is None:
        return None
    return await work.people.holder(appointment.person_id, appointment.contact_id)

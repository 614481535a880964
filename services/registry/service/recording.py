"""Recording an appointment: row, person, seat and event in one transaction."""

from dataclasses import replace
from datetime import datetime

from services.registry.domain.commands import Answer, Once, Record
from services.registry.domain.failures import RefTaken, SeatTaken, UnknownUnit
from services.registry.domain.phonebook import Phone, Phonebook, choose_holder
from services.registry.domain.ports import Store, Work
from services.registry.domain.principal import Permission, Principal
from services.registry.domain.records import Appointment, Holder, Post, Unit
from services.registry.domain.statements import INVITATION_DAYS, Scene, Statements
from services.registry.domain.states import State
from services.registry.service.repeating import once_only
from services.registry.service.scenes import check_scope, find_post
from shared import ids
from shared.events import AppointmentRecorded


class Recording:
    """Records appointments."""

    def __init__(self, store: Store, statements: Statements, phonebook: Phonebook) -> None:
        """Nothing is opened."""
        self._store = store
        self._statements = statements
        self._phonebook = phonebook

    async def record(self, principal: Principal, command: Record, once: Once | None, now: datetime) -> Answer:
        """Record an appointment on the first free seat of its post; its person will be asked. A repeated request
        (`once`) gets the answer of the first one.

        Raises NotPermitted, OutOfScope, KeyReused, UnknownUnit, UnknownPost, SeatTaken, PhoneShared, RefTaken, and what
        `Phonebook.read` raises: the input at fault is named, and nothing is kept."""
        principal.require(Permission.RECORD if not command.unchanged_if_known else Permission.IMPORT)
        phone = self._phonebook.read(command.phone)
        async with self._store.transaction() as work:
            return await once_only(
                work, principal, once, now, lambda: self._record(work, principal, command, phone, now)
            )

    async def _record(self, work: Work, principal: Principal, command: Record, phone: Phone, now: datetime) -> Answer:
        scene = await _scene(work, principal, command)
        await work.people.alone_with(phone.fingerprints)
        known = await self._known(work, principal, command, scene.unit, phone)
        if known is not None:
            return answer_of(known, scene, phone.last3, created=False)
        holder = await self._holder(work, command, phone, scene, now)
        appointment = _new(principal, command, scene, holder, now)
        seat = await work.appointments.take_seat(appointment, scene.post.seats)
        if seat is None:
            raise await seat_taken(work, scene.unit, scene.post)
        appointment = replace(appointment, seat=seat)
        await work.appointments.open_challenge(appointment, ids.challenge_id(appointment.id, appointment.cycle))
        await work.appointments.note(appointment, "recorded", now, {"recorder": principal.name, "mode": command.mode})
        event = self._statements.invited(AppointmentRecorded, appointment, scene, holder)
        await work.outbox.add([event], about=[holder.person_id])
        return answer_of(appointment, scene, phone.last3)

    async def _known(
        self, work: Work, principal: Principal, command: Record, unit: Unit, phone: Phone
    ) -> Appointment | None:
        """The appointment that this command recorded before (decision: import key)."""
        if command.external_ref is not None:
            found = await work.appointments.by_external_ref(principal.organisation_id, command.external_ref)
            if found is None:
                return None
            if not command.unchanged_if_known or (found.unit_id, found.post) != (unit.id, command.post.strip()):
                raise RefTaken(field="external_ref", appointment=str(found.id))
            return found
        if not command.unchanged_if_known:
            return None
        person = None
        if command.shared_phone:  # of two who share a phone each may hold a seat of this post
            found_people = await work.people.holders(principal.organisation_id, phone.fingerprints)
            holder = choose_holder(command.name, found_people, shared_phone=True)
            if holder is None:
                return None
            person = holder.person_id
        return await work.appointments.by_import_key(unit.id, command.post.strip(), phone.fingerprints, person)

    async def _holder(self, work: Work, command: Record, phone: Phone, scene: Scene, now: datetime) -> Holder:
        organisation = scene.organisation.id
        found = await work.people.holders(organisation, phone.fingerprints)
        holder = choose_holder(command.name, found, shared_phone=command.shared_phone)
        if holder is not None:
            await work.people.complete(holder.person_id, command.name, command.gender)
            return holder
        person = ids.new_id()
        holder = Holder(person, command.name, self._phonebook.contact(ids.new_id(), person, phone))
        language = command.language or scene.organisation.language
        await work.people.add(organisation, holder, command.gender, language, now)
        return holder


async def _scene(work: Work, principal: Principal, command: Record) -> Scene:
    unit = await work.units.by_code(principal.organisation_id, command.unit)
    if unit is None:
        raise UnknownUnit(field="unit", unit=command.unit[:100])
    await check_scope(work, principal, unit)
    post = await find_post(work, principal.organisation_id, unit, command.post)
    return Scene(await work.units.organisation(principal.organisation_id), unit, post)


def _new(principal: Principal, command: Record, scene: Scene, holder: Holder, now: datetime) -> Appointment:
    return Appointment(
        id=ids.new_id(),
        organisation_id=principal.organisation_id,
        unit_id=scene.unit.id,
        level=scene.unit.level,
        post=scene.post.code,
        seat=1,
        person_id=holder.person_id,
        contact_id=holder.contact.id,
        state=State.RECORDED,
        state_at=now,
        cycle=1,
        version=1,
        mode=command.mode,
        language=command.language or scene.organisation.language,
        external_ref=command.external_ref,
        notice=command.notice,
        recorder=principal.name,
        recorded_by=principal.account_id,
        recorded_at=now,
        invited_at=now,
        not_after=now + INVITATION_DAYS,
    )


async def seat_taken(work: Work, unit: Unit, post: Post) -> SeatTaken:
    """The failure that names a way on: whose seat it is, by the appointment's id."""
    holder = await work.appointments.seat_holder(unit.id, post.code)
    return SeatTaken(field="post", post=post.code, unit=unit.code, appointment=str(holder) if holder else None)


def answer_of(appointment: Appointment, scene: Scene, last3: str, *, created: bool = True) -> Answer:
    """What recording use cases answer."""
    return Answer(
        appointment_id=appointment.id,
        unit=scene.unit.code,
        post=scene.post.code,
        seat=appointment.seat,
        state=appointment.state.value,
        cycle=appointment.cycle,
        version=appointment.version,
        phone=f"*******{last3}",
        not_after=appointment.not_after,
        created=created,
    )

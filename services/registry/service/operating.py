"""What operators do: erase a person here and, by an event, everywhere; publish events again; rotate keys."""

from datetime import datetime
from uuid import UUID

from services.registry.domain.failures import NoSuchAppointment, NoSuchPerson
from services.registry.domain.phonebook import Phonebook
from services.registry.domain.ports import Store
from services.registry.domain.principal import Permission, Principal
from services.registry.domain.statements import Statements
from services.registry.domain.states import State
from services.registry.service.changing import end_appointment

_AT_ONCE = 500


class Operating:
    """Erases persons, publishes events again."""

    def __init__(self, store: Store, statements: Statements, phonebook: Phonebook) -> None:
        """Nothing is opened."""
        self._store = store
        self._statements = statements
        self._phonebook = phonebook

    async def erase(self, principal: Principal, person_id: UUID, now: datetime) -> None:
        """Forget who it was: name, gender, phones, subscriptions, and kept events with sealed fields. Live
        appointments end; that a post was held stays, by nobody named. Raises NotPermitted, OutOfScope, NoSuchPerson."""
        principal.require_everywhere(Permission.ADMIN)
        async with self._store.transaction() as work:
            await work.people.alone_with_person(person_id)
            if not await work.people.exists(principal.organisation_id, person_id):
                raise NoSuchPerson
            appointments = await work.appointments.of_person(person_id)
            fingerprints = await work.people.fingerprints_to_forget(person_id)
            await work.outbox.forget(person_id)
            for appointment in appointments:
                if appointment.state is not State.ENDED:
                    await end_appointment(work, self._statements, appointment, "other", now=now, by=principal.name)
            await work.people.erase(person_id, now)
            event = self._statements.erased(
                principal.organisation_id,
                person_id,
                [appointment.id for appointment in appointments],
                fingerprints,
                now,
            )
            await work.outbox.add([event])

    async def erase_appointee(self, principal: Principal, appointment_id: UUID, now: datetime) -> None:
        """The same, by one of the person's appointments. Raises NotPermitted, NoSuchAppointment, NoSuchPerson."""
        principal.require_everywhere(Permission.ADMIN)
        async with self._store.transaction() as work:
            appointment = await work.appointments.get(principal.organisation_id, appointment_id)
        if appointment is None:
            raise NoSuchAppointment
        await self.erase(principal, appointment.person_id, now)

    async def republish(self, principal: Principal, since: datetime) -> int:
        """Publish again the events stated since then; returns how many. Raises NotPermitted, OutOfScope."""
        principal.require_everywhere(Permission.ADMIN)
        async with self._store.transaction() as work:
            return await work.outbox.again(since)

    async def rekey(self) -> int:
        """Find every stored phone under the newest fingerprint key too; returns how many were not. Until this is done
        an older key must not be retired: a phone would not be recognised any more."""
        kid, done = self._phonebook.newest, 0
        while True:
            async with self._store.transaction() as work:
                contacts = await work.people.not_found_under(kid, _AT_ONCE)
                found = [(contact.id, kid, self._phonebook.fingerprints(contact)[kid]) for contact in contacts]
                await work.people.add_fingerprints(found)
            done += len(contacts)
            if len(contacts) < _AT_ONCE:
                return done

"""Erasing a person: here, and by an event everywhere."""

from datetime import datetime
from uuid import UUID

from services.registry.domain.failures import NoSuchPerson
from services.registry.domain.ports import Store
from services.registry.domain.principal import Permission, Principal
from services.registry.domain.statements import Statements
from services.registry.domain.states import State
from services.registry.service.changing import end_appointment


class Erasing:
    """Erases persons."""

    def __init__(self, store: Store, statements: Statements) -> None:
        """Nothing is opened."""
        self._store = store
        self._statements = statements

    async def erase(self, principal: Principal, person_id: UUID, now: datetime) -> None:
        """Forget who it was: name, gender, phones, subscriptions, and kept events with sealed fields. Live
        appointments end; that a post was held stays, by nobody named. Raises NotPermitted, NoSuchPerson."""
        principal.require(Permission.ADMIN)
        async with self._store.transaction() as work:
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

"""Who is told about a unit: its channel, and members who subscribed."""

from datetime import datetime

from services.registry.domain.failures import NotSubscribed
from services.registry.domain.names import Name
from services.registry.domain.phonebook import Phonebook, choose_holder
from services.registry.domain.ports import Store
from services.registry.domain.principal import Permission, Principal
from services.registry.domain.records import Gender, Holder
from services.registry.service.scenes import find_unit
from shared import ids
from shared.events import Language


class Audience:
    """Channels and subscriptions."""

    def __init__(self, store: Store, phonebook: Phonebook) -> None:
        """Nothing is opened."""
        self._store = store
        self._phonebook = phonebook

    async def set_channel(self, principal: Principal, unit: str, chat_id: int | None, now: datetime) -> None:
        """Set or, with None, forget the unit's Telegram channel. Raises NotPermitted, NoSuchUnit, OutOfScope."""
        principal.require(Permission.ADMIN)
        async with self._store.transaction() as work:
            found = await find_unit(work, principal, unit)
            await work.units.set_channel(principal.organisation_id, found.id, chat_id, now)
            await work.appointments.changed(principal.organisation_id, found.id, "channel", now)

    async def subscribe(
        self,
        principal: Principal,
        unit: str,
        name: Name,
        phone: str,
        now: datetime,
        *,
        language: Language | None = None,
        gender: Gender | None = None,
        shared_phone: bool = False,
    ) -> None:
        """Tell this person about the unit and all below it; twice is once. Raises NotPermitted, NoSuchUnit,
        OutOfScope, PhoneShared, and what `Phonebook.read` raises."""
        principal.require(Permission.RECORD)
        number = self._phonebook.read(phone)
        async with self._store.transaction() as work:
            found = await find_unit(work, principal, unit)
            await work.people.alone_with(number.fingerprints)
            holders = await work.people.holders(principal.organisation_id, number.fingerprints)
            holder = choose_holder(name, holders, shared_phone=shared_phone)
            if holder is None:
                person = ids.new_id()
                holder = Holder(person, name, self._phonebook.contact(ids.new_id(), person, number))
                organisation = await work.units.organisation(principal.organisation_id)
                spoken = language or organisation.language
                await work.people.add(principal.organisation_id, holder, gender, spoken, now)
            await work.people.subscribe(principal.organisation_id, found.id, holder, now)

    async def unsubscribe(self, principal: Principal, unit: str, phone: str) -> None:
        """Stop telling whoever has this phone about this unit. Raises NotPermitted, NoSuchUnit, OutOfScope,
        NotSubscribed, and what `Phonebook.read` raises."""
        principal.require(Permission.RECORD)
        number = self._phonebook.read(phone)
        async with self._store.transaction() as work:
            found = await find_unit(work, principal, unit)
            holders = await work.people.holders(principal.organisation_id, number.fingerprints)
            if not await work.people.unsubscribe(found.id, [holder.person_id for holder in holders]):
                raise NotSubscribed(field="phone")

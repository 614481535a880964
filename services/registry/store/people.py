"""Persons, their phones, their subscriptions."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from services.registry.domain.names import Name
from services.registry.domain.records import Contact, Gender, Holder, Recipient
from services.registry.domain.vault import Box
from services.registry.store.database import Row, Rows
from shared.events import Fingerprints, Language


class PersonRows:
    """Implements `domain.ports.People`."""

    def __init__(self, rows: Rows) -> None:
        """In the transaction of `rows`."""
        self._rows = rows

    async def alone_with(self, fingerprints: Fingerprints) -> None:
        """Let no other transaction look this phone up until this one ends."""
        for fingerprint in sorted(fingerprints.values()):
            await self._rows.run("lock_phone", fingerprint)

    async def alone_with_person(self, person_id: UUID) -> None:
        """The same for every phone of a person: nobody records them meanwhile."""
        await self._rows.all("lock_phones_of", person_id)

    async def holders(self, organisation_id: UUID, fingerprints: Fingerprints) -> Sequence[Holder]:
        """Everybody who is recorded with this phone, with today's fingerprints of it."""
        rows = await self._rows.all("holders", organisation_id, list(fingerprints.values()))
        return [_holder(row, fingerprints) for row in rows]

    async def add(
        self, organisation_id: UUID, holder: Holder, gender: Gender | None, language: Language, now: datetime
    ) -> None:
        """A new person with a contact."""
        name = holder.name
        await self._rows.run("add_person", holder.person_id, organisation_id, name.hi, name.en, gender, language, now)
        await self.add_contact(organisation_id, holder.contact, now)

    async def add_contact(self, organisation_id: UUID, contact: Contact, now: datetime) -> None:
        """Another phone of a person."""
        c = contact
        await self._rows.run(
            "add_contact", c.id, organisation_id, c.person_id, c.phone.kid, c.phone.data, c.last3, now,
            list(c.fingerprints), list(c.fingerprints.values()),
        )  # fmt: skip

    async def holder(self, person_id: UUID, contact_id: UUID) -> Holder | None:
        """A person and one of their phones; None once erased."""
        row = await self._rows.one("holder", person_id, contact_id)
        return _holder(row, (await self._fingerprints([row]))[row["id"]]) if row else None

    async def recipient(self, person_id: UUID, contact_id: UUID) -> Recipient | None:
        """One person, to be told something; None once erased."""
        row = await self._rows.one("holder", person_id, contact_id)
        return _recipient(row, (await self._fingerprints([row]))[row["id"]]) if row else None

    async def subscribe(self, organisation_id: UUID, unit_id: UUID, holder: Holder, now: datetime) -> None:
        """Tell this person about the unit and all below it."""
        await self._rows.run("subscribe", unit_id, holder.person_id, organisation_id, holder.contact.id, now)

    async def unsubscribe(self, unit_id: UUID, person_ids: Sequence[UUID]) -> int:
        """Stop that; returns how many were subscribed."""
        return len(await self._rows.all("unsubscribe", unit_id, list(person_ids)))

    async def audience(self, unit_id: UUID, without: UUID, after: UUID, limit: int) -> Sequence[Recipient]:
        """Subscribers of the unit and of all units above, each once, without one person: the next `limit` after this
        person, by id."""
        rows = await self._rows.all("audience", unit_id, without, after, limit)
        fingerprints = await self._fingerprints(rows) if rows else {}
        return [_recipient(row, fingerprints[row["id"]]) for row in rows]

    async def audience_size(self, unit_id: UUID, without: UUID) -> int:
        """How many these are."""
        return int(await self._rows.value("audience_size", unit_id, without))

    async def fingerprints_to_forget(self, person_id: UUID) -> Sequence[Fingerprints]:
        """Those of the person's phones that nobody else holds."""
        found: dict[UUID, Fingerprints] = defaultdict(dict)
        for row in await self._rows.all("fingerprints_of", person_id):
            found[row["contact_id"]][row["kid"]] = row["fingerprint"]
        return list(found.values())

    async def erase(self, person_id: UUID, now: datetime) -> None:
        """Forget name, gender, phones and subscriptions."""
        for step in ("unlink_contacts", "unlink_challenges", "forget_subscriptions", "forget_contacts"):
            await self._rows.run(step, person_id)
        await self._rows.run("forget_person", person_id, now)

    async def not_found_under(self, kid: str, limit: int) -> Sequence[Contact]:
        """Phones that have no fingerprint of this key version yet."""
        rows = await self._rows.all("contacts_without_fingerprint", kid, limit)
        return [contact_of(row, {}) for row in rows]

    async def add_fingerprints(self, found: Sequence[tuple[UUID, str, str]]) -> None:
        """More fingerprints of contacts: (contact, key version, fingerprint)."""
        await self._rows.many("add_fingerprint", found)

    async def exists(self, organisation_id: UUID, person_id: UUID) -> bool:
        """Whether there is such a person who is not erased."""
        return bool(await self._rows.value("person_exists", organisation_id, person_id))

    async def _fingerprints(self, contacts: Iterable[Row]) -> dict[UUID, Fingerprints]:
        found: dict[UUID, Fingerprints] = defaultdict(dict)
        for row in await self._rows.all("fingerprints_at", [contact["id"] for contact in contacts]):
            found[row["contact_id"]][row["kid"]] = row["fingerprint"]
        return found


def contact_of(row: Row, fingerprints: Fingerprints) -> Contact:
    """The contact of a row of `holders` or its kin."""
    return Contact(
        id=row["id"],
        person_id=row["person_id"],
        phone=Box(row["phone_kid"], row["phone_box"]),
        last3=row["phone_last3"],
        fingerprints=dict(fingerprints),
    )


def _holder(row: Row, fingerprints: Fingerprints) -> Holder:
    return Holder(row["person_id"], Name(row["name_hi"], row["name_en"]), contact_of(row, fingerprints))


def _recipient(row: Row, fingerprints: Fingerprints) -> Recipient:
    name = Name(row["name_hi"], row["name_en"])
    return Recipient(row["person_id"], name, row["language"], contact_of(row, fingerprints))

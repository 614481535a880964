"""Recording many appointments at once: what is there, and one statement that writes them all."""

from base64 import b64encode
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from services.registry.domain.names import Name
from services.registry.domain.recording import Asked, Found, Placing, Site
from services.registry.domain.records import Appointment, Holder, Organisation, Post
from services.registry.store.appointments import appointment_of
from services.registry.store.database import Row, Rows
from services.registry.store.people import contact_of
from services.registry.store.units import unit_of
from shared import ids
from shared.events import AppointmentRecorded, Label, encode, topic_of


class RecordingRows:
    """Implements `domain.ports.Recordings`."""

    def __init__(self, rows: Rows) -> None:
        """In the transaction of `rows`."""
        self._rows = rows
        self.added = False
        """Whether relay and open pages have something to do once this is committed."""

    async def alone_with(self, fingerprints: Collection[str]) -> None:
        """Let no other transaction look these phones up until this one ends."""
        await self._rows.run("lock_phones", list(fingerprints))

    async def sites(self, asked: Sequence[Asked]) -> Sequence[Site | None]:
        """Where each would stand; None: no such unit."""
        found: list[Site | None] = [None] * len(asked)
        rows = await self._rows.all(
            "sites",
            [each.organisation_id for each in asked],
            [each.command.unit.strip() for each in asked],
            [each.command.post.strip() for each in asked],
            [each.principal.unit_id for each in asked],
        )
        for row in rows:
            found[row["number"] - 1] = _site(row)
        return found

    async def people(self, asked: Sequence[Asked]) -> Sequence[Sequence[Found]]:
        """Everybody who is recorded with each one's phone, with today's fingerprints of it."""
        fingerprints = [each for one in asked for each in one.phone.fingerprints.values()]
        by_fingerprint: dict[tuple[UUID, str], list[Row]] = defaultdict(list)
        for row in await self._rows.all("people_with_phones", fingerprints):
            by_fingerprint[row["organisation_id"], row["fingerprint"]].append(row)
        return [_people(each, by_fingerprint) for each in asked] if by_fingerprint else [()] * len(asked)

    async def by_references(self, asked: Sequence[Asked]) -> Mapping[tuple[UUID, str], Appointment]:
        """The appointments with the references that are named, by organisation and reference."""
        named = [(one.organisation_id, one.command.external_ref) for one in asked if one.command.external_ref]
        if not named:
            return {}
        organisations, references = zip(*named, strict=True)
        rows = await self._rows.all("by_external_refs", organisations, references)
        return {(row["organisation_id"], row["external_ref"]): appointment_of(row) for row in rows}

    async def by_import_keys(
        self, keys: Mapping[int, tuple[UUID, str, Collection[str], UUID | None]]
    ) -> Mapping[int, Appointment]:
        """The newest appointment by (unit, post, fingerprints, person or None), under the key's number."""
        if not keys:
            return {}
        numbers, values = list(keys), keys.values()
        rows = await self._rows.all(
            "by_import_keys",
            [unit for unit, *_ in values],
            [post for _, post, *_ in values],
            [" ".join(fingerprints) for _, _, fingerprints, _ in values],
            [person for *_, person in values],
        )
        return {numbers[row["number"] - 1]: appointment_of(row) for row in rows}

    async def place(self, placings: Sequence[tuple[Placing, AppointmentRecorded]]) -> Collection[UUID]:
        """Write appointments, persons, challenges, timeline, changes and events; the ids of those whose seat was still
        free."""
        rows = await self._rows.all("place_all", [_written(placing, event) for placing, event in placings])
        self.added = self.added or bool(rows)
        return {row["id"] for row in rows}

    async def complete(self, placings: Sequence[Placing]) -> None:
        """Fill in what was not known of these persons."""
        for each in placings:
            name = each.holder.name
            await self._rows.run("complete_person", each.holder.person_id, name.hi, name.en, each.asked.command.gender)


def _site(row: Row) -> Site:
    label = Label(hi=row["organisation_hi"], en=row["organisation_en"])
    post = None
    if row["post"] is not None:
        post = Post(row["level"], row["post"], Label(hi=row["post_hi"], en=row["post_en"]), row["seats"])
    return Site(
        organisation=Organisation(row["organisation_id"], label, row["language"], row["preset"]),
        unit=unit_of({**row, "number": row["unit_number"]}),
        post=post,
        in_scope=row["in_scope"],
        taken=row["taken"],
        first_holder=row["first_holder"],
    )


def _people(asked: Asked, by_fingerprint: Mapping[tuple[UUID, str], Sequence[Row]]) -> Sequence[Found]:
    found: dict[UUID, Found] = {}
    for fingerprint in asked.phone.fingerprints.values():
        for row in by_fingerprint.get((asked.organisation_id, fingerprint), ()):
            name, contact = Name(row["name_hi"], row["name_en"]), contact_of(row, asked.phone.fingerprints)
            found.setdefault(row["person_id"], Found(Holder(row["person_id"], name, contact), row["gender"]))
    return [found[person] for person in sorted(found)]


def _written(placing: Placing, event: AppointmentRecorded) -> dict[str, Any]:
    a, holder, contact, asked = placing.appointment, placing.holder, placing.holder.contact, placing.asked
    record = encode(event, asked.trace)
    return {
        "id": a.id,
        "organisation_id": a.organisation_id,
        "unit_id": a.unit_id,
        "level": a.level,
        "post": a.post,
        "seat": a.seat,
        "person_id": a.person_id,
        "contact_id": a.contact_id,
        "mode": a.mode,
        "language": a.language,
        "external_ref": a.external_ref,
        "notice_version": a.notice.version,
        "notice_language": a.notice.language,
        "notice_at": a.notice.at,
        "recorder": a.recorder,
        "recorded_by": a.recorded_by,
        "recorded_at": a.recorded_at,
        "not_after": a.not_after,
        "challenge_id": ids.challenge_id(a.id, a.cycle),
        "is_new_person": placing.is_new_person,
        "name_hi": holder.name.hi,
        "name_en": holder.name.en,
        "gender": asked.command.gender,
        "phone_kid": contact.phone.kid,
        "phone_box": b64encode(contact.phone.data).decode(),
        "phone_last3": contact.last3,
        "fingerprints": contact.fingerprints,
        "details": {"recorder": a.recorder, "mode": a.mode},
        "event_id": event.event_id,
        "urgent": topic_of(event).urgent,
        "topic": record.topic,
        "key": record.key.decode(),
        "value": record.value.decode(),
        "headers": [[name, value.decode() if value is not None else None] for name, value in record.headers],
        "traceparent": asked.trace,
    }

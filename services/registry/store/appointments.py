"""Appointments, seats, challenges, timeline, deliveries, and the changes that open pages hear of."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.registry.domain.records import Appointment, Delivery, Entry, TimelineEntry, Told
from services.registry.domain.states import State
from services.registry.store.database import Row, Rows, Taken
from shared.events import Notice
from shared.telemetry import current_trace


class AppointmentRows:
    """Implements `domain.ports.Appointments`."""

    def __init__(self, rows: Rows) -> None:
        """In the transaction of `rows`."""
        self._rows = rows
        self.changes = False
        """Whether open pages have something to redraw once this is committed."""

    async def retake_seat(self, appointment: Appointment, seats: int) -> int | None:
        """Update an appointment that had freed its seat: on its old ordinal if free, else on the first free one."""
        free = await self._rows.all("free_seats", appointment.unit_id, appointment.post, seats, appointment.seat)
        for row in free:
            try:
                async with self._rows.attempt():
                    await self.save(replace(appointment, seat=row["ordinal"]))
            except Taken:
                continue
            return int(row["ordinal"])
        return None

    async def save(self, appointment: Appointment) -> None:
        """Update the changing parts: state, cycle, version, contact, times, consent."""
        await self.save_all([appointment])

    async def save_all(self, appointments: Sequence[Appointment]) -> None:
        """The same for many."""
        if appointments:
            await self._rows.run("save_all", [_saved(each) for each in appointments])

    async def locked(self, organisation_id: UUID, appointment_id: UUID) -> Appointment | None:
        """The appointment, locked until the transaction ends."""
        return await self._found("appointment_locked", organisation_id, appointment_id)

    async def get(self, organisation_id: UUID, appointment_id: UUID) -> Appointment | None:
        """The appointment."""
        return await self._found("appointment", organisation_id, appointment_id)

    async def locked_all(self, ids: Collection[tuple[UUID, UUID]]) -> Mapping[UUID, Appointment]:
        """Those of (organisation, appointment) that are there, by id, locked until the transaction ends."""
        organisations, appointments = zip(*ids, strict=True)
        rows = await self._rows.all("appointments_locked", organisations, appointments)
        return {row["id"]: appointment_of(row) for row in rows}

    async def _found(self, name: str, *values: object) -> Appointment | None:
        row = await self._rows.one(name, *values)
        return appointment_of(row) if row else None

    async def seat_holder(self, unit_id: UUID, post: str) -> UUID | None:
        """An appointment that holds a seat of this post."""
        found: UUID | None = await self._rows.value("seat_holder", unit_id, post)
        return found

    async def of_person(self, person_id: UUID) -> Sequence[Appointment]:
        """All of a person, locked."""
        return [appointment_of(row) for row in await self._rows.all("of_person", person_id)]

    async def open_challenge(self, appointment: Appointment, challenge_id: UUID) -> None:
        """A cycle begins."""
        a = appointment
        await self._rows.run(
            "open_challenge", challenge_id, a.organisation_id, a.id, a.cycle, a.contact_id, a.invited_at
        )

    async def challenge_contact(self, challenge_id: UUID) -> UUID | None:
        """Which phone was asked."""
        found: UUID | None = await self._rows.value("challenge_contact", challenge_id)
        return found

    async def note(
        self,
        appointment: Appointment,
        kind: str,
        at: datetime,
        details: dict[str, object] | None = None,
    ) -> None:
        """A timeline entry, and a change that open pages hear of."""
        await self.note_all([Entry(appointment, kind, at, details or {}, None, current_trace.get())])

    async def note_all(self, entries: Sequence[Entry]) -> None:
        """The same for many."""
        if entries:
            self.changes = True
            await self._rows.run("note_all", [_noted(entry) for entry in entries])

    async def timeline(self, appointment_id: UUID) -> Sequence[TimelineEntry]:
        """What happened, oldest first."""
        rows = await self._rows.all("timeline", appointment_id)
        return [TimelineEntry(row["kind"], row["at"], row["cycle"], row["details"]) for row in rows]

    async def deliveries(self, appointment_id: UUID) -> Sequence[Delivery]:
        """The messages to the appointee, oldest first."""
        return [Delivery(**dict(row)) for row in await self._rows.all("deliveries", appointment_id)]

    async def announced(self, appointment_id: UUID) -> Sequence[Told]:
        """The messages that announced it, by channel and state."""
        return [Told(**dict(row)) for row in await self._rows.all("announcement_counts", appointment_id)]

    async def changed(self, organisation_id: UUID, unit_id: UUID | None, kind: str, at: datetime) -> None:
        """A change that open pages hear of, without an appointment."""
        self.changes = True
        await self._rows.run("change", organisation_id, unit_id, None, kind, at)


def _saved(a: Appointment) -> dict[str, object]:
    return {
        "id": a.id,
        "seat": a.seat,
        "contact_id": a.contact_id,
        "state": a.state.value,
        "state_at": a.state_at,
        "cycle": a.cycle,
        "version": a.version,
        "invited_at": a.invited_at,
        "not_after": a.not_after,
        "verified_at": a.verified_at,
        "verified_via": a.verified_via,
        "verified_notice": _json(a.verified_notice),
        "name_consent": _json(a.name_consent),
        "ended_at": a.ended_at,
        "ended_reason": a.ended_reason,
    }


def _noted(entry: Entry) -> dict[str, object]:
    a = entry.appointment
    return {
        "organisation_id": a.organisation_id,
        "appointment_id": a.id,
        "unit_id": a.unit_id,
        "cycle": entry.cycle or a.cycle,
        "kind": entry.kind,
        "at": entry.at,
        "details": entry.details,
        "traceparent": entry.trace,
    }


def _json(notice: Notice | None) -> dict[str, object] | None:
    return notice.model_dump(mode="json") if notice else None


def appointment_of(row: Row) -> Appointment:
    """The appointment of a row of its table."""
    return Appointment(
        id=row["id"],
        organisation_id=row["organisation_id"],
        unit_id=row["unit_id"],
        level=row["level"],
        post=row["post"],
        seat=row["seat"],
        person_id=row["person_id"],
        contact_id=row["contact_id"],
        state=State(row["state"]),
        state_at=row["state_at"],
        cycle=row["cycle"],
        version=row["version"],
        mode=row["mode"],
        language=row["language"],
        external_ref=row["external_ref"],
        notice=Notice(version=row["notice_version"], language=row["notice_language"], at=row["notice_at"]),
        recorder=row["recorder"],
        recorded_by=row["recorded_by"],
        recorded_at=row["recorded_at"],
        invited_at=row["invited_at"],
        not_after=row["not_after"],
        verified_at=row["verified_at"],
        verified_via=row["verified_via"],
        verified_notice=Notice.model_validate(row["verified_notice"]) if row["verified_notice"] else None,
        name_consent=Notice.model_validate(row["name_consent"]) if row["name_consent"] else None,
        ended_at=row["ended_at"],
        ended_reason=row["ended_reason"],
    )

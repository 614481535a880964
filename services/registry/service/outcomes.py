"""What otp and notifier state, and what follows: confirmation, announcement, the notice that it was over."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.registry.domain.failures import NoSuchAppointment
from services.registry.domain.ports import Store, Work
from services.registry.domain.records import Appointment, Channel, Recipient
from services.registry.domain.statements import Statements
from services.registry.domain.states import Heard, State, effect
from services.registry.domain.steps import Step, Took, lane_of
from services.registry.service.scenes import scene_of
from shared.events import (
    ChallengeEvent,
    ChallengeRefused,
    ChallengeVerified,
    DeliveryAccepted,
    DeliveryDelivered,
    DeliveryEvent,
    DeliveryFailed,
    Event,
    Lane,
)

_MEASURED: dict[type[DeliveryEvent], Step] = {
    DeliveryAccepted: "recorded_to_sent",
    DeliveryDelivered: "recorded_to_receipt",
}


class Outcomes:
    """Applies events; each may come twice and in any order of cycles."""

    def __init__(self, store: Store, statements: Statements, took: Took) -> None:
        """Nothing is opened."""
        self._store = store
        self._statements = statements
        self._took = took

    async def hear_challenge(self, event: ChallengeEvent, heard: Heard, now: datetime) -> None:
        """Apply what otp states, unless its version is known. A verified appointment is announced in the same
        transaction. Raises NoSuchAppointment: dead letter, since registry itself asked."""
        async with self._store.transaction() as work:
            appointment = await work.appointments.locked(event.organisation_id, event.appointment_id)
            if appointment is None:
                raise NoSuchAppointment
            if not await work.appointments.hear(event.subject, event.version, heard, event.at):
                return
            await self._apply(work, appointment, event, heard, now)

    async def _apply(
        self, work: Work, appointment: Appointment, event: ChallengeEvent, heard: Heard, now: datetime
    ) -> None:
        result = effect(appointment.state, appointment.cycle, heard, event.cycle)
        if result.becomes is not None:
            appointment = replace(appointment, state=result.becomes, state_at=event.at, version=appointment.version + 1)
            if isinstance(event, ChallengeVerified):
                appointment = replace(
                    appointment,
                    verified_at=event.verified_at,
                    verified_via=event.via.value,
                    verified_notice=event.notice,
                    name_consent=event.name_consent,
                )
            await work.appointments.save(appointment)
        details = _details(event) | ({} if result.becomes or not result.tell_ended else {"too_late": True})
        await work.appointments.note(appointment, heard.value, event.at, details, event.cycle)
        if result.becomes is State.VERIFIED:
            self._took("recorded_to_verified", lane_of(appointment.mode), appointment.invited_at, event.at)
            await self._announce(work, appointment, event.subject, now)
        if result.tell_ended:
            await self._tell_ended(work, appointment, event.subject, now)

    async def _announce(self, work: Work, appointment: Appointment, challenge_id: UUID, now: datetime) -> None:
        if appointment.contact_id is None:
            return
        holder = await work.people.holder(appointment.person_id, appointment.contact_id)
        if holder is None:
            return
        scene = await scene_of(work, appointment)
        audience = await work.people.audience(appointment.unit_id, without=holder.person_id)
        channel = await work.units.nearest_channel(appointment.unit_id)
        recipients: list[Recipient | Channel] = [*audience, *([channel] if channel else [])]
        messages: list[tuple[Event, Sequence[UUID]]] = []
        for to in recipients:
            message = self._statements.announcement(appointment, scene, holder, to, about=challenge_id, now=now)
            persons = [holder.person_id, to.person_id] if isinstance(to, Recipient) else [holder.person_id]
            messages.append((message, persons))
        await work.outbox.add_all(messages)
        if audience or channel:
            told: dict[str, object] = {"members": len(audience), "channel": channel is not None}
            await work.appointments.note(appointment, "announced", now, told)

    async def _tell_ended(self, work: Work, appointment: Appointment, challenge_id: UUID, now: datetime) -> None:
        asked = await work.appointments.challenge_contact(challenge_id)
        recipient = await work.people.recipient(appointment.person_id, asked) if asked else None
        if recipient is None:
            return  # erased: there is nobody left to tell
        scene = await scene_of(work, appointment)
        message = self._statements.too_late(appointment, challenge_id, scene, recipient, now)
        await work.outbox.add([message], about=[recipient.person_id])

    async def hear_delivery(self, event: DeliveryEvent, state: str) -> None:
        """Note the state of a message, unless its version is known. Messages to the appointee and to a channel stand
        in the timeline; of announcements to members only counts do."""
        async with self._store.transaction() as work:
            reason = event.reason.value if isinstance(event, DeliveryFailed) else None
            falls_back = isinstance(event, DeliveryFailed) and event.falls_back
            if not await work.appointments.state_delivery(event, state, reason, falls_back):
                return
            if event.appointment_id is None or (event.lane is Lane.BULK and event.unit_id is None):
                return
            appointment = await work.appointments.get(event.organisation_id, event.appointment_id)
            if appointment is None:
                return
            details: dict[str, object] = {
                "message": str(event.subject),
                "template": event.template,
                "channel": event.channel.value,
                "attempt": event.attempt,
                "parts": event.parts,
                "reason": reason,
                "falls_back": falls_back,
            }
            await work.appointments.note(appointment, f"message_{state}", event.at, details, event.cycle)
        self._measure(appointment, event)

    def _measure(self, appointment: Appointment, event: DeliveryEvent) -> None:
        """The first message of a cycle; later ones are asked for by people, whenever they like."""
        step = _MEASURED.get(type(event))
        if step and event.template == "invitation" and event.attempt == 1 and event.cycle == appointment.cycle:
            self._took(step, lane_of(appointment.mode), appointment.invited_at, event.at)


def _details(event: Event) -> dict[str, object]:
    if isinstance(event, ChallengeVerified):
        return {"via": event.via.value, "name_consent": event.name_consent is not None}
    if isinstance(event, ChallengeRefused):
        return {"via": event.via.value}
    return {}

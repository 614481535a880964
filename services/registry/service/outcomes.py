"""What otp and notifier state, and what follows: confirmation, announcement, the notice that it was over."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from services.registry.domain.failures import NoSuchAppointment
from services.registry.domain.hearing import OfChallenge, OfMessage, Shown
from services.registry.domain.ports import Store, Work
from services.registry.domain.records import Appointment, Entry
from services.registry.domain.statements import Statements
from services.registry.domain.states import Heard, State, effect
from services.registry.domain.steps import Step, Took, lane_of
from services.registry.service.announcing import Announcing
from services.registry.service.scenes import scene_of
from shared.batching import Batcher
from shared.events import (
    ChallengeEvent,
    ChallengeRefused,
    ChallengeVerified,
    DeliveryAccepted,
    DeliveryDelivered,
    DeliveryEvent,
    Event,
)
from shared.telemetry import current_trace

_MEASURED: dict[type[DeliveryEvent], Step] = {
    DeliveryAccepted: "recorded_to_sent",
    DeliveryDelivered: "recorded_to_receipt",
}


AT_ONCE = 200
"""Events in one transaction, at most; the consumer's lanes bound it further."""


class Outcomes:
    """Applies events; each may come twice and in any order of cycles. What is heard together shares a transaction."""

    def __init__(self, store: Store, statements: Statements, announcing: Announcing, took: Took) -> None:
        """Nothing is opened."""
        self._announcing = announcing
        self._store = store
        self._statements = statements
        self._took = took
        self._opened = Batcher(self._hear_opened, limit=AT_ONCE, key=lambda told: told.event.key)
        self._challenges = Batcher(self._hear_challenges, limit=AT_ONCE, key=lambda told: told.event.key)
        self._deliveries = Batcher(self._hear_deliveries, limit=AT_ONCE, key=lambda sent: sent.event.key)

    async def hear_challenge(self, event: ChallengeEvent, heard: Heard, now: datetime) -> None:
        """Apply what otp states, unless its version is known. A verified appointment is announced in the same
        transaction. Raises NoSuchAppointment: dead letter, since registry itself asked."""
        told = OfChallenge(event, heard, now, current_trace.get())
        await (self._opened if heard is Heard.OPENED else self._challenges)(told)

    async def _hear_opened(self, told: Sequence[OfChallenge]) -> Sequence[Exception | None]:
        """An open challenge changes nothing of its appointment, so one statement does."""
        async with self._store.glance() as work:
            known = await work.hearing.note_opened(told)
        return [None if each.event.appointment_id in known else NoSuchAppointment() for each in told]

    async def _hear_challenges(self, told: Sequence[OfChallenge]) -> Sequence[Exception | None]:
        entries: list[Entry] = []
        saved: list[Appointment] = []
        async with self._store.transaction() as work:
            ids = {(each.event.organisation_id, each.event.appointment_id) for each in told}
            appointments = await work.appointments.locked_all(ids)
            fresh = await work.hearing.hear_all(
                [(each.event.subject, each.event.version, each.heard, each.event.at) for each in told]
            )
            for each in told:
                appointment = appointments.get(each.event.appointment_id)
                if appointment is not None and each.event.subject in fresh:
                    await self._apply(work, appointment, each, saved, entries)
            await work.appointments.save_all(saved)
            await work.appointments.note_all(entries)
        if any(self._announcing.goes_on(entry) for entry in entries):
            self._announcing.wakeup.wake()
        for appointment in saved:
            if appointment.state is State.VERIFIED:
                lane = lane_of(appointment.mode)
                self._took("recorded_to_verified", lane, appointment.invited_at, appointment.state_at)
        return [None if each.event.appointment_id in appointments else NoSuchAppointment() for each in told]

    async def _apply(
        self, work: Work, appointment: Appointment, told: OfChallenge, saved: list[Appointment], entries: list[Entry]
    ) -> None:
        event, heard = told.event, told.heard
        result = effect(appointment.state, appointment.cycle, heard, event.cycle)
        if result.becomes is not None:
            appointment = _moved(appointment, result.becomes, event)
            saved.append(appointment)
        details = _details(event) | ({} if result.becomes or not result.tell_ended else {"too_late": True})
        entries.append(Entry(appointment, heard.value, event.at, details, event.cycle, told.trace))
        if result.becomes is State.VERIFIED:
            announced = await self._announcing.begin(work, appointment, event.subject, told.now, told.trace)
            entries += [announced] if announced else []
        if result.tell_ended:
            await self._tell_ended(work, appointment, told)

    async def _tell_ended(self, work: Work, appointment: Appointment, told: OfChallenge) -> None:
        challenge_id = told.event.subject
        asked = await work.appointments.challenge_contact(challenge_id)
        recipient = await work.people.recipient(appointment.person_id, asked) if asked else None
        if recipient is None:
            return  # erased: there is nobody left to tell
        scene = await scene_of(work, appointment)
        message = self._statements.too_late(appointment, challenge_id, scene, recipient, told.now)
        await work.outbox.add_all([(message, [recipient.person_id])], told.trace)

    async def hear_delivery(self, event: DeliveryEvent, state: str) -> None:
        """Note the state of a message, unless its version is known. Messages to the appointee and to a channel stand
        in the timeline; of announcements to members only counts do."""
        await self._deliveries(OfMessage(event, state, current_trace.get()))

    async def _hear_deliveries(self, stated: Sequence[OfMessage]) -> Sequence[None]:
        async with self._store.glance() as work:
            shown = await work.hearing.state_deliveries(stated)
        for each in stated:
            if each.event.subject in shown:
                self._measure(shown[each.event.subject], each.event)
        return [None] * len(stated)

    def _measure(self, shown: Shown, event: DeliveryEvent) -> None:
        """The first message of a cycle; later ones are asked for by people, whenever they like."""
        step = _MEASURED.get(type(event))
        if step and event.template == "invitation" and event.attempt == 1 and event.cycle == shown.cycle:
            self._took(step, lane_of(shown.mode), shown.invited_at, event.at)


def _details(event: Event) -> dict[str, object]:
    if isinstance(event, ChallengeVerified):
        return {"via": event.via.value, "name_consent": event.name_consent is not None}
    if isinstance(event, ChallengeRefused):
        return {"via": event.via.value}
    return {}


def _moved(appointment: Appointment, state: State, event: ChallengeEvent) -> Appointment:
    moved = replace(appointment, state=state, state_at=event.at, version=appointment.version + 1)
    if not isinstance(event, ChallengeVerified):
        return moved
    return replace(
        moved,
        verified_at=event.verified_at,
        verified_via=event.via.value,
        verified_notice=event.notice,
        name_consent=event.name_consent,
    )

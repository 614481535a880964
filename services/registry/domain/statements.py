"""The events that the registry states, with their personal fields sealed for whoever may open them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.registry.domain.commands import EndReason
from services.registry.domain.records import Appointment, Channel, Holder, Organisation, Post, Recipient, Unit
from services.registry.domain.vault import Vault
from shared import ids
from shared.events import (
    AnnouncementText,
    AppointmentEnded,
    AppointmentRecorded,
    AppointmentReissued,
    ChannelPost,
    EndedText,
    Fingerprints,
    Lane,
    MessageRequested,
    Person,
    PersonErased,
)
from shared.phone import Fingerprinter
from shared.seal import Sealer, about_appointment

INVITATION_DAYS = timedelta(days=7)
"""How long an invitation may be answered (decision: states). Counted from recording or re-issue."""
ANNOUNCE_WITHIN = timedelta(days=2)
"""An announcement that is later than this is no news."""
TELL_WITHIN = timedelta(days=1)
"""The notice that a confirmation came too late."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What an appointment is about, in words."""

    organisation: Organisation
    unit: Unit
    post: Post


class Statements:
    """Builds events."""

    def __init__(self, sealer: Sealer, vault: Vault, fingerprinter: Fingerprinter) -> None:
        """`vault` opens stored phones, for the notifier alone; events carry their fingerprints under all of today's
        keys, whatever is stored."""
        self._sealer = sealer
        self._vault = vault
        self._fingerprinter = fingerprinter

    def invited(
        self,
        event: type[AppointmentRecorded] | type[AppointmentReissued],
        appointment: Appointment,
        scene: Scene,
        holder: Holder,
    ) -> AppointmentRecorded | AppointmentReissued:
        """A cycle begins: its person is to be asked."""
        about = about_appointment(appointment.id, appointment.cycle)
        page = {"appointee": holder.name.short, "recorder": appointment.recorder}
        phone = self._vault.unlock(holder.contact.phone)
        contact = page | {"phone": phone}
        return event(
            organisation_id=appointment.organisation_id,
            subject=appointment.id,
            version=appointment.version,
            at=appointment.state_at,
            not_after=appointment.not_after,
            cycle=appointment.cycle,
            organisation=scene.organisation.label,
            unit=scene.unit.ref,
            post=scene.post.ref,
            language=appointment.language,
            mode=appointment.mode,
            fingerprints=self._fingerprinter.of(phone),
            phone_last3=holder.contact.last3,
            for_otp=self._sealer.seal("otp", about, "page", page),
            for_notifier=self._sealer.seal("notifier", about, "contact", contact),
            notice=appointment.notice,
            recorded_at=appointment.recorded_at,
        )

    def ended(self, appointment: Appointment, reason: EndReason, now: datetime) -> AppointmentEnded:
        """The appointment is over."""
        return AppointmentEnded(
            organisation_id=appointment.organisation_id,
            subject=appointment.id,
            version=appointment.version,
            at=now,
            cycle=appointment.cycle,
            reason=reason,
        )

    def erased(
        self,
        organisation_id: UUID,
        person_id: UUID,
        appointments: Sequence[UUID],
        fingerprints: Sequence[Fingerprints],
        now: datetime,
    ) -> PersonErased:
        """A person's data is erased here, and must be everywhere."""
        return PersonErased(
            organisation_id=organisation_id,
            subject=person_id,
            version=1,
            at=now,
            appointment_ids=tuple(appointments),
            fingerprints=tuple(fingerprints),
        )

    def too_late(
        self, appointment: Appointment, challenge_id: UUID, scene: Scene, recipient: Recipient, now: datetime
    ) -> MessageRequested:
        """Tells somebody who confirmed that it was over before. Names no challenge: the notifier drops the unsent
        messages of a closed one."""
        message = ids.message_id(challenge_id, f"ended:{recipient.person_id}", 1)
        return MessageRequested(
            organisation_id=appointment.organisation_id,
            subject=message,
            version=1,
            at=now,
            not_after=now + TELL_WITHIN,
            causation_id=challenge_id,
            lane=Lane.URGENT,
            recipient=self._person(message, recipient, appointment.recorder),
            language=recipient.language,
            text=EndedText(organisation=scene.organisation.label, unit=scene.unit.ref, post=scene.post.ref),
            appointment_id=appointment.id,
        )

    def announcement(
        self,
        appointment: Appointment,
        scene: Scene,
        holder: Holder,
        to: Recipient | Channel,
        *,
        about: UUID,
        now: datetime,
    ) -> MessageRequested:
        """Tells one subscriber, or one channel, that a post is held now; by name only with the appointee's consent.
        `about` is the challenge that was verified."""
        recipient = str(to.person_id) if isinstance(to, Recipient) else f"channel:{to.unit_id}"
        message = ids.message_id(about, f"announcement:{recipient}", 1)
        name = self._sealer.seal(
            "notifier", str(message), "secrets", {"name": {"hi": holder.name.hi, "en": holder.name.en}}
        )
        return MessageRequested(
            organisation_id=appointment.organisation_id,
            subject=message,
            version=1,
            at=now,
            not_after=now + ANNOUNCE_WITHIN,
            causation_id=about,
            lane=Lane.BULK,
            recipient=self._person(message, to, appointment.recorder)
            if isinstance(to, Recipient)
            else ChannelPost(unit_id=to.unit_id, chat_id=to.chat_id),
            language=to.language if isinstance(to, Recipient) else scene.organisation.language,
            text=AnnouncementText(organisation=scene.organisation.label, unit=scene.unit.ref, post=scene.post.ref),
            secrets=name if appointment.name_consent else None,
            appointment_id=appointment.id,
            cycle=appointment.cycle,
        )

    def _person(self, message: UUID, recipient: Recipient, recorder: str) -> Person:
        about = str(message)
        phone = self._vault.unlock(recipient.contact.phone)
        contact = {"phone": phone, "appointee": recipient.name.short, "recorder": recorder}
        return Person(
            fingerprints=self._fingerprinter.of(phone),
            phone_last3=recipient.contact.last3,
            contact=self._sealer.seal("notifier", about, "contact", contact),
            about=about,
        )

"""Message requests as otp and registry make them, for tests of the notifier."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from shared import ids
from shared.events import (
    AnnouncementText,
    InvitationText,
    Label,
    Lane,
    Language,
    MessageRequested,
    Person,
    PostRef,
    UnitRef,
)
from shared.phone import Fingerprinter, last3
from shared.seal import Sealer, about_appointment
from shared.settings import ORGANISATION
from stack.keys import Keys, make_keys

CODE = "482107"
HANDLE = "kX3vQ9mZr1T7uB2nWc8yLA"
LINK = f"https://boothline.in/c/{HANDLE}"
ORG = Label(hi="जन संगठन", en="People's Organisation")
UNIT = UnitRef(id=UUID(int=210), code="210", label=Label(hi="बूथ 210, रामपुर", en="Booth 210, Rampur"))
POST = PostRef(code="president", label=Label(hi="बूथ अध्यक्ष", en="Booth president"))
APPOINTEE = {"hi": "सुनीता शर्मा", "en": "Sunita Sharma"}
RECORDER = "Mahesh Patel"


def ring(text: str) -> dict[str, str]:
    """Keys by id from their JSON."""
    keys: dict[str, str] = json.loads(text)
    return keys


def sealer(keys: Keys, service: str) -> Sealer:
    """The sealer of a service."""
    kid, _, key = keys.seal[service].partition(":")
    return Sealer(service, {kid: key}, ring(keys.seal_peers))


@dataclass
class Asking:
    """Makes requests; every call is another appointment unless told otherwise."""

    now: datetime
    keys: Keys = field(default_factory=make_keys)

    def prints(self, phone: str) -> dict[str, str]:
        """The fingerprints of a phone."""
        return Fingerprinter(ring(self.keys.fingerprint)).of(phone)

    def person(self, phone: str, about: str, extra: Mapping[str, object] | None = None) -> Person:
        """A sealed contact."""
        contact = {"phone": phone, **(extra or {})}
        return Person(
            fingerprints=self.prints(phone),
            phone_last3=last3(phone),
            contact=sealer(self.keys, "registry").seal("notifier", about, "contact", contact),
            about=about,
        )

    def invitation(
        self,
        phone: str = "+915550000210",
        *,
        attempt: int = 1,
        code: str | None = CODE,
        handle: str | None = None,
        language: Language = "hi",
        appointment: UUID | None = None,
        not_after: datetime | None = None,
    ) -> MessageRequested:
        """otp asks for an invitation."""
        appointment = appointment or ids.new_id()
        challenge = ids.challenge_id(appointment, 1)
        subject = ids.message_id(challenge, "appointee", attempt)
        handle = handle or challenge.hex
        secrets = {"handle": handle, "link": f"https://boothline.in/c/{handle}", "code": code}
        about = about_appointment(appointment, 1)
        return MessageRequested(
            organisation_id=ORGANISATION,
            subject=subject,
            version=1,
            at=self.now,
            not_after=not_after or self.now + timedelta(minutes=9),
            lane=Lane.URGENT if code else Lane.BULK,
            recipient=self.person(phone, about, {"appointee": APPOINTEE, "recorder": RECORDER}),
            language=language,
            text=InvitationText(
                organisation=ORG,
                unit=UNIT,
                post=POST,
                has_code=code is not None,
                code_not_after=self.now + timedelta(minutes=10) if code else None,
            ),
            secrets=sealer(self.keys, "otp").seal("notifier", str(subject), "secrets", secrets),
            attempt=attempt,
            appointment_id=appointment,
            cycle=1,
            challenge_id=challenge,
        )

    def announcement(self, phone: str = "+915550000300", *, named: bool = True) -> MessageRequested:
        """The registry tells a subscriber."""
        subject = ids.new_id()
        secrets = sealer(self.keys, "registry").seal("notifier", str(subject), "secrets", {"name": APPOINTEE})
        return MessageRequested(
            organisation_id=ORGANISATION,
            subject=subject,
            version=1,
            at=self.now,
            lane=Lane.BULK,
            recipient=self.person(phone, str(subject)),
            language="hi",
            text=AnnouncementText(organisation=ORG, unit=UNIT, post=POST),
            secrets=secrets if named else None,
            appointment_id=ids.new_id(),
        )

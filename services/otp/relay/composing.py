"""From outbox entries to events: derives code and handle and seals them for the notifier."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from services.otp.domain.codes import Codes
from services.otp.domain.policy import moment_of
from services.otp.store import Entry
from services.otp.store.challenges import outcomes_of
from shared import ids
from shared.events import (
    ChallengeClosed,
    ChallengeEvent,
    ChallengeExpired,
    ChallengeLocked,
    ChallengeOpened,
    ChallengeRefused,
    ChallengeVerified,
    Event,
    InvitationText,
    Lane,
    MessageRequested,
    Notice,
    Person,
    ReplyJudged,
)
from shared.seal import Sealer, about_appointment

Json = dict[str, Any]

CHALLENGE_EVENTS: dict[str, type[ChallengeEvent]] = {
    event.type: event
    for event in (
        ChallengeOpened,
        ChallengeVerified,
        ChallengeRefused,
        ChallengeLocked,
        ChallengeExpired,
        ChallengeClosed,
    )
}


@dataclass(frozen=True, slots=True)
class Composer:
    """Builds events from outbox entries. The only place where a code exists outside the person's hands."""

    codes: Codes
    sealer: Sealer
    public_url: str

    def event(self, entry: Entry) -> Event:
        """The event that `entry` states. Raises KeyError, ValueError or TypeError where it is malformed."""
        body: Json = orjson.loads(entry.body)
        if entry.type == MessageRequested.type:
            return self._message(body, orjson.loads(entry.asking))
        if entry.type == ReplyJudged.type:
            return ReplyJudged(
                organisation_id=UUID(body["organisation"]),
                subject=UUID(body["reply"]),
                version=1,
                at=moment_of(body["at"]),
                causation_id=UUID(body["causation"]),
                conversation_id=UUID(body["conversation"]),
                outcomes=outcomes_of(body),
            )
        return CHALLENGE_EVENTS[entry.type].model_validate(_challenge_fields(body))

    def _message(self, body: Json, asking: Json) -> MessageRequested:
        challenge, appointment, cycle = UUID(body["challenge"]), UUID(body["appointment"]), int(body["cycle"])
        attempt, n = int(body["attempt"]), body.get("n")
        subject = ids.message_id(challenge, "person", attempt)
        handle = self.codes.handle(body["kid"], challenge)
        secrets = {
            "handle": handle,
            "link": f"{self.public_url}/c/{handle}",
            "code": self.codes.code(body["kid"], challenge, int(n)) if n else None,
        }
        return MessageRequested(
            organisation_id=UUID(body["organisation"]),
            subject=subject,
            version=1,
            at=moment_of(body["at"]),
            not_after=moment_of(body["not_after"]),
            causation_id=_uuid(body.get("causation")),
            lane=Lane.URGENT if n else Lane.BULK,  # nobody waits for an invitation that carries no code
            recipient=Person(
                fingerprints=asking["fingerprints"],
                phone_last3=asking["phone_last3"],
                contact=asking["contact"],
                about=about_appointment(appointment, cycle),
            ),
            language=asking["language"],
            text=InvitationText(
                organisation=asking["organisation"],
                unit=asking["unit"],
                post=asking["post"],
                has_code=bool(n),
                code_not_after=moment_of(body["code_not_after"]) if n else None,
            ),
            secrets=self.sealer.seal("notifier", str(subject), "secrets", secrets),
            attempt=attempt,
            appointment_id=appointment,
            cycle=cycle,
            challenge_id=challenge,
        )


def _challenge_fields(body: Json) -> Json:
    fields: Json = {
        "organisation_id": body["organisation"],
        "subject": body["challenge"],
        "version": int(body["version"]),
        "at": moment_of(body["at"]),
        "not_after": moment_of(body["not_after"]) if "not_after" in body else None,  # only an open one can be late
        "causation_id": body.get("causation"),
        "appointment_id": body["appointment"],
        "cycle": int(body["cycle"]),
        "via": body.get("via"),
        "reason": body.get("reason"),
    }
    if "notice" in body:
        fields["verified_at"] = moment_of(body["verified_at"])
        fields["notice"] = _notice(body["notice"])
        fields["name_consent"] = _notice(body["name_consent"])
    return fields


def _notice(stored: Json | None) -> Notice | None:
    return Notice.model_validate({**stored, "at": moment_of(stored["at"])}) if stored else None


def _uuid(text: str | None) -> UUID | None:
    return UUID(text) if text else None

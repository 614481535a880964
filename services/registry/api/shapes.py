"""JSON bodies of requests and answers. Input is never echoed in errors."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.registry.domain.commands import (
    EXTERNAL_REF_LIMIT,
    Answer,
    EndReason,
    Record,
    parse_language,
    parse_notice,
)
from services.registry.domain.names import Name, parse_name
from services.registry.domain.records import Delivery, Gender, Mode, TimelineEntry, UnitLine
from services.registry.service.reading import AppointmentView, UnitView
from shared.events import Label


class Body(BaseModel):
    """A request body: a misspelled field is an error, not ignored."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class NameBody(Body):
    """A name in the scripts that are known."""

    hi: str | None = Field(default=None, max_length=500)
    en: str | None = Field(default=None, max_length=500)

    def parse(self) -> Name:
        """The name. Raises what `parse_name` raises."""
        return parse_name(self.hi, self.en)


class PersonBody(Body):
    """Who is appointed."""

    name: NameBody
    gender: Gender | None = None
    language: str | None = None


class NoticeBody(Body):
    """Which privacy notice the person was shown; `at` is now where it is left out."""

    version: str
    language: str
    at: AwareDatetime | None = None


class RecordBody(Body):
    """Record an appointment. `unit` and `post` are codes."""

    unit: str = Field(max_length=200)
    post: str = Field(max_length=100)
    person: PersonBody
    phone: str = Field(max_length=50)
    shared_phone: bool = False
    mode: Mode = "live"
    notice: NoticeBody
    external_ref: str | None = Field(default=None, min_length=1, max_length=EXTERNAL_REF_LIMIT)

    def command(self, now: datetime) -> Record:
        """What it asks for. Raises what parsing names, notices and languages raises."""
        language = self.person.language
        return Record(
            unit=self.unit,
            post=self.post,
            name=self.person.name.parse(),
            phone=self.phone,
            notice=parse_notice(self.notice.version, self.notice.language, self.notice.at, now),
            language=parse_language(language, "person.language") if language else None,
            gender=self.person.gender,
            shared_phone=self.shared_phone,
            mode=self.mode,
            external_ref=self.external_ref,
        )


class PhoneBody(Body):
    """Correct a wrong phone. `version`: the one that was seen."""

    phone: str = Field(max_length=50)
    shared_phone: bool = False
    version: int | None = None


class ReissueBody(Body):
    """Ask again."""

    version: int | None = None


class EndBody(Body):
    """End it."""

    reason: EndReason
    version: int | None = None


class ChannelBody(Body):
    """The unit's Telegram channel; null forgets it."""

    chat_id: int | None


class SubscriptionBody(Body):
    """Somebody who is told about the unit and all below it."""

    name: NameBody
    phone: str = Field(max_length=50)
    language: str | None = None
    gender: Gender | None = None
    shared_phone: bool = False


class UnsubscriptionBody(Body):
    """Whoever has this phone is told no longer."""

    phone: str = Field(max_length=50)


class RepublishBody(Body):
    """Publish again what was stated since then."""

    since: AwareDatetime


Json = dict[str, Any]


def answer_json(answer: Answer) -> Json:
    """What a recording use case answers."""
    return {
        "id": str(answer.appointment_id),
        "unit": answer.unit,
        "post": answer.post,
        "seat": answer.seat,
        "state": answer.state,
        "cycle": answer.cycle,
        "version": answer.version,
        "phone": answer.phone,
        "not_after": answer.not_after.isoformat(),
        "created": answer.created,
    }


def appointment_json(view: AppointmentView) -> Json:
    """An appointment and its course: first name and initial, last three digits."""
    a = view.appointment
    return {
        "id": str(a.id),
        "unit": {"code": view.scene.unit.code, "label": label_json(view.scene.unit.label)},
        "post": {"code": view.scene.post.code, "label": label_json(view.scene.post.label)},
        "seat": a.seat,
        "state": a.state.value,
        "state_at": a.state_at.isoformat(),
        "cycle": a.cycle,
        "version": a.version,
        "mode": a.mode,
        "language": a.language,
        "appointee": view.holder.name.short if view.holder else None,
        "phone": f"*******{view.holder.contact.last3}" if view.holder else None,
        "recorder": a.recorder,
        "recorded_at": a.recorded_at.isoformat(),
        "not_after": a.not_after.isoformat(),
        "verified_at": a.verified_at.isoformat() if a.verified_at else None,
        "verified_via": a.verified_via,
        "external_ref": a.external_ref,
        "ended_reason": a.ended_reason,
        "timeline": [_entry_json(entry) for entry in view.timeline],
        "deliveries": [_delivery_json(delivery) for delivery in view.deliveries],
        "announced": [asdict(told) for told in view.announced],
    }


def unit_json(view: UnitView) -> Json:
    """A unit, its seats and what is missing."""
    unit, committee = view.unit, view.committee
    return {
        "code": unit.code,
        "level": unit.level,
        "number": unit.number,
        "label": label_json(unit.label),
        "within": label_json(unit.within) if unit.within else None,
        "seats": committee.seats,
        "held": len(committee.held),
        "verified": committee.verified,
        "complete": committee.complete,
        "women": {
            "verified": committee.women,
            "minimum": committee.women_minimum,
            "missing": committee.women_missing,
        },
        "posts": [
            {
                "code": post.code,
                "label": label_json(post.label),
                "seats": post.seats,
                "vacant": committee.vacant.get(post.code, 0),
                "held": [
                    {
                        "seat": seat.ordinal,
                        "appointment": str(seat.appointment_id),
                        "state": seat.state.value,
                        "appointee": seat.name.short,
                    }
                    for seat in committee.held
                    if seat.post == post.code
                ],
            }
            for post in committee.posts
        ],
    }


def line_json(line: UnitLine) -> Json:
    """A unit in a list."""
    return {
        "code": line.unit.code,
        "level": line.unit.level,
        "number": line.unit.number,
        "label": label_json(line.unit.label),
        "parent": line.parent_code,
        "seats": line.seats,
        "held": line.held,
        "verified": line.verified,
    }


def label_json(label: Label) -> Json:
    """A name in its scripts; a missing one is null."""
    return {"hi": label.hi, "en": label.en}


def _entry_json(entry: TimelineEntry) -> Json:
    return {"kind": entry.kind, "at": entry.at.isoformat(), "cycle": entry.cycle, "details": entry.details}


def _delivery_json(delivery: Delivery) -> Json:
    return {
        "message": str(delivery.message_id),
        "template": delivery.template,
        "channel": delivery.channel,
        "state": delivery.state,
        "reason": delivery.reason,
        "falls_back": delivery.falls_back,
        "attempt": delivery.attempt,
        "parts": delivery.parts,
        "cycle": delivery.cycle,
        "at": delivery.at.isoformat(),
    }

"""The course of one appointment in plain words: who, when, how much later, and what it waits for."""

import gettext as catalogues
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.registry.api.portal import words
from services.registry.api.portal.committee import record_path
from services.registry.domain.portal import Course
from services.registry.domain.principal import Permission, Principal
from services.registry.domain.records import TimelineEntry, Unit
from services.registry.domain.states import State
from shared.events import Label
from shared.i18n import ist_deadline

N_ = words.N_
Details = Mapping[str, object]

_HIDDEN = frozenset({"opened", "closed"})
"""Entries of the machinery that tell a reader nothing which the next entry does not."""

_WHAT = {
    "recorded": ("recorded", N_("Recorded")),
    "phone_corrected": ("recorded", N_("Phone number corrected, invited again")),
    "reissued": ("recorded", N_("Invitation issued again")),
    "refused": ("refused", N_("Refused")),
    "locked": ("locked", N_("Locked after too many wrong codes")),
    "expired": ("expired", N_("No answer in time")),
    "ended": ("ended", N_("Ended")),
    "announced": ("sent", N_("Announced to the members")),
}

_VIA = {
    "web": N_("Verified on the web page"),
    "sms": N_("Verified by SMS"),
    "telegram": N_("Verified in Telegram"),
}

_MESSAGE = {
    ("message_accepted", "telegram"): ("sent", N_("Sent by Telegram")),
    ("message_accepted", "sms"): ("sent", N_("Sent by SMS")),
    ("message_delivered", "telegram"): ("delivered", N_("Delivered by Telegram")),
    ("message_delivered", "sms"): ("delivered", N_("Delivered to the phone")),
    ("message_failed", "telegram"): ("failed", N_("Not delivered by Telegram")),
    ("message_failed", "sms"): ("failed", N_("Not delivered by SMS")),
    ("message_unknown", "telegram"): ("sent", N_("Sent by Telegram; whether it arrived is not known")),
    ("message_unknown", "sms"): ("sent", N_("Sent by SMS; whether it arrived is not known")),
}

_ENDED = {
    "resigned": N_("resigned"),
    "removed": N_("removed from the post"),
    "mistake": N_("recorded by mistake"),
    "term_over": N_("the term is over"),
    "other": N_("another reason"),
}

_SENTENCE = {
    "verified": N_("The person confirmed with their own phone."),
    "refused": N_("The holder of this phone refused."),
    "locked": N_("Too many wrong codes. Issue the invitation again, or correct the number."),
    "expired": N_("Nobody answered within 7 days. Issue the invitation again, or correct the number."),
    "ended": N_("This appointment is over."),
}
_FREE = N_("The seat is free.")


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the course; a pending one has no time yet."""

    status: str
    text: str
    at: datetime | None = None
    who: str = ""
    gap: str = ""
    remark: str = ""
    pending: bool = False


@dataclass(frozen=True, slots=True)
class AppointmentView:
    """An appointment's page."""

    id: UUID
    unit: Unit
    above: Sequence[Unit]
    post: Label
    person: Label | None
    phone_last3: str | None
    status: str
    sentence: str
    version: int
    language: str
    recorder: str
    notice_version: str
    notice_language: str
    name_consent: bool | None
    steps: tuple[Step, ...]
    may_correct: bool
    may_reissue: bool
    may_end: bool
    refill_path: str | None


def appointment_view(
    course: Course,
    above: Sequence[Unit],
    entries: Sequence[TimelineEntry],
    principal: Principal,
    *,
    catalogue: catalogues.NullTranslations,
    language: str,
) -> AppointmentView:
    """`course` in words of `language`, with what `principal` may do about it."""
    may = principal.may(Permission.RECORD) and course.person is not None
    status = _status(course, entries)
    free = not course.state.live and not course.seat_held and principal.may(Permission.RECORD)
    return AppointmentView(
        id=course.id,
        unit=course.unit,
        above=[*above, course.unit],
        post=course.post_label,
        person=course.person,
        phone_last3=course.phone_last3,
        status=status,
        sentence=_sentence(course, status, catalogue, language),
        version=course.version,
        language=course.language,
        recorder=course.recorder,
        notice_version=course.notice_version,
        notice_language=course.notice_language,
        name_consent=course.name_consent if course.verified_at else None,
        steps=(*_steps(entries, catalogue), *_pending(course, status, catalogue, language)),
        may_correct=may and course.state.correctable,
        may_reissue=may and course.state.reissuable,
        may_end=may and course.state is not State.ENDED,
        refill_path=record_path(course.unit, course.post) if free else None,
    )


def end_reasons(catalogue: catalogues.NullTranslations) -> Sequence[tuple[str, str]]:
    """Why an appointment can end, for the form."""
    return [(code, catalogue.gettext(text)) for code, text in _ENDED.items()]


def _status(course: Course, entries: Sequence[TimelineEntry]) -> str:
    if course.state is not State.RECORDED:
        return course.state.value
    heard = [
        entry.kind for entry in entries
        if entry.cycle == course.cycle and entry.kind.startswith("message_")
        and entry.details.get("template") == "invitation" and not entry.details.get("falls_back")
    ]  # fmt: skip
    if "message_delivered" in heard:
        return "delivered"
    last = heard[-1] if heard else ""
    return {"message_accepted": "sent", "message_unknown": "sent", "message_failed": "failed"}.get(last, "recorded")


def _sentence(course: Course, status: str, catalogue: catalogues.NullTranslations, language: str) -> str:
    if course.state is not State.RECORDED:
        free = course.state in {State.REFUSED, State.ENDED} and not course.seat_held
        sentence = catalogue.gettext(_SENTENCE[course.state.value])
        return f"{sentence} {catalogue.gettext(_FREE)}" if free else sentence
    until = {"time": ist_deadline(course.not_after, language)}
    if status == "failed":
        return (
            catalogue.gettext(
                "The message did not arrive. Correct the number, or ask the person to use the link until %(time)s."
            )
            % until
        )
    return catalogue.gettext("Waiting for the person's answer until %(time)s.") % until


def _steps(entries: Sequence[TimelineEntry], catalogue: catalogues.NullTranslations) -> Sequence[Step]:
    steps: list[Step] = []
    before: datetime | None = None
    for entry in entries:
        if entry.kind in _HIDDEN or (step := _step(entry, before, catalogue)) is None:
            continue
        steps.append(step)
        before = entry.at
    return steps


def _step(entry: TimelineEntry, before: datetime | None, catalogue: catalogues.NullTranslations) -> Step | None:
    details = entry.details
    if (drawn := _what(entry)) is None:
        return None
    status, text = drawn
    return Step(
        status=status,
        text=catalogue.gettext(text),
        at=entry.at,
        who=str(details.get("recorder") or details.get("by") or ""),
        gap=words.gap(entry.at - before, catalogue) if before else "",
        remark=_remark(entry, catalogue),
    )


def _what(entry: TimelineEntry) -> tuple[str, str] | None:
    if entry.kind == "verified":
        if entry.details.get("too_late"):
            return "ended", N_("Confirmed too late; the person was told so")
        return "verified", _VIA.get(str(entry.details.get("via")), N_("Verified"))
    if entry.kind.startswith("message_"):
        if entry.details.get("template") != "invitation":
            return None
        return _MESSAGE.get((entry.kind, str(entry.details.get("channel"))))
    return _WHAT.get(entry.kind)


def _remark(entry: TimelineEntry, catalogue: catalogues.NullTranslations) -> str:
    details = entry.details
    if entry.kind == "message_failed":
        reason = words.reason_words(str(details.get("reason")), catalogue.gettext)
        if details.get("falls_back"):
            return catalogue.gettext("%(reason)s; the next way is tried at once") % {"reason": reason}
        return reason
    if entry.kind == "message_accepted" and isinstance(parts := details.get("parts"), int):
        return catalogue.ngettext("%(num)s SMS part", "%(num)s SMS parts", parts) % {"num": parts}
    if entry.kind == "ended":
        return catalogue.gettext(_ENDED.get(str(details.get("reason")), _ENDED["other"]))
    if entry.kind == "announced":
        members = details.get("members")
        count = members if isinstance(members, int) else 0
        members_told = catalogue.ngettext("%(num)s member", "%(num)s members", count) % {"num": count}
        channel = catalogue.gettext("the channel") if details.get("channel") else ""
        return ", ".join(told for told in (members_told if count else "", channel) if told)
    return ""


def _pending(course: Course, status: str, catalogue: catalogues.NullTranslations, language: str) -> Sequence[Step]:
    _ = catalogue.gettext
    if course.state is not State.RECORDED:
        return ()
    wait = _("waits for the person, until %(time)s") % {"time": ist_deadline(course.not_after, language)}
    answer = Step("verified", _("Confirmation"), remark=wait, pending=True)
    if status == "recorded":
        return (Step("sent", _("Invitation"), remark=_("waits for the sending"), pending=True), answer)
    return (answer,)

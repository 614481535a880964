"""Letters for tests of texts and channels."""

from datetime import UTC, datetime
from uuid import UUID

from services.notifier.domain.message import AnswerText, Contact, Letter, Message, Secrets, Text
from shared.events import AnnouncementText, EndedText, InvitationText, Label, Lane, Language, PostRef, UnitRef

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
ID = UUID(int=7)
ORG = Label(hi="जन संगठन", en="People's Organisation")
UNIT = UnitRef(id=UUID(int=210), code="210", label=Label(hi="बूथ 210, रामपुर", en="Booth 210, Rampur"))
POST = PostRef(code="president", label=Label(hi="बूथ अध्यक्ष", en="Booth president"))
LINK = "https://boothline.in/c/kX3vQ9mZr1T7uB2nWc8yLA"
CODE = "482107"
PHONE = "+915550000210"


def message(text: Text, language: Language = "hi", **more: object) -> Message:
    """A row."""
    lane = Lane.BULK if isinstance(text, AnnouncementText) else Lane.URGENT
    fields: dict[str, object] = {
        "id": ID, "organisation_id": UUID(int=1), "lane": lane, "template": text.name, "text": text,
        "language": language, "attempt": 1, "created_at": NOW,
    }  # fmt: skip
    return Message(**{**fields, **more})  # type: ignore[arg-type] # fields of Message, by name


def invitation(language: Language = "hi", *, code: str | None = CODE, link: str = LINK, **more: object) -> Letter:
    """An invitation, opened."""
    until = datetime(2026, 11, 24, 9, 10, tzinfo=UTC) if code else None
    text = InvitationText(organisation=ORG, unit=UNIT, post=POST, has_code=code is not None, code_not_after=until)
    contact = Contact(PHONE, Label(hi="सुनीता देवी शर्मा", en="Sunita Devi Sharma"), "Mahesh Patel")
    return Letter(message(text, language, **more), PHONE, contact, Secrets(code=code, link=link))


def announcement(language: Language = "hi", *, name: Label | None = None) -> Letter:
    """An announcement, opened."""
    text = AnnouncementText(organisation=ORG, unit=UNIT, post=POST)
    return Letter(message(text, language), PHONE, Contact(PHONE), Secrets(name=name))


def ended(language: Language = "hi") -> Letter:
    """A notice that it was over."""
    return Letter(message(EndedText(organisation=ORG, unit=UNIT, post=POST), language), PHONE, Contact(PHONE))


def answer(kind: str, language: Language = "hi", *, recorder: str | None = "Mahesh Patel", **more: object) -> Letter:
    """An answer, opened."""
    given = {"unit": UNIT.label, "post": POST.label, "guesses_left": 3, "retry_minutes": 5, **more}
    text = AnswerText.model_validate({"kind": kind, **given})
    return Letter(message(text, language), PHONE, Contact(PHONE, recorder=recorder))

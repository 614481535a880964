"""What use cases are asked to do, as the edges hand it over: already shaped, not yet checked against data."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from services.registry.domain.failures import LanguageUnknown, NoticeMissing, NoticeTime
from services.registry.domain.names import Name
from services.registry.domain.records import Gender, Mode
from shared.events import Language, Notice

EXTERNAL_REF_LIMIT = 200
_FIRST_NOTICE_YEAR = 2000
"""An earlier moment is a mistyped one."""

EndReason = Literal["resigned", "removed", "mistake", "term_over", "other"]


@dataclass(frozen=True, slots=True)
class Once:
    """An Idempotency-Key (or a form's request id), and a digest of the request that it was sent with."""

    key: str
    request_hash: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """Record an appointment."""

    unit: str
    post: str
    name: Name
    phone: str = field(repr=False)
    notice: Notice
    language: Language | None = None
    """Of the appointee; None: the organisation's."""
    gender: Gender | None = None
    shared_phone: bool = False
    """The recorder confirms that several people share this phone."""
    mode: Mode = "live"
    external_ref: str | None = None
    unchanged_if_known: bool = False
    """An import: what is recorded already (by external_ref, else unit, post and phone) is no failure."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a recording use case answers; without names, so that it can be kept for a repeated request."""

    appointment_id: UUID
    unit: str
    post: str
    seat: int
    state: str
    cycle: int
    version: int
    phone: str
    not_after: datetime
    created: bool = True
    """False: it was there already."""


@dataclass(frozen=True, slots=True)
class UnitQuery:
    """Which units to list: by the start of their code, by parent, by level."""

    code: str | None = None
    parent: str | None = None
    level: str | None = None
    after: str | None = None
    """Code of the last unit of the page before."""
    limit: int = 50


def parse_notice(version: str | None, language: str | None, at: datetime | None, now: datetime) -> Notice:
    """The notice that the person was shown (R1: nothing is recorded without). Raises NoticeMissing, LanguageUnknown,
    NoticeTime: the future, long ago, or a moment without a zone."""
    if not version or not version.strip() or len(version) > 50 or not language:
        raise NoticeMissing(field="notice")
    shown = at or now
    if shown.tzinfo is None or shown > now or shown.year < _FIRST_NOTICE_YEAR:
        raise NoticeTime(field="notice.at")
    return Notice(version=version.strip(), language=parse_language(language, "notice.language"), at=shown)


def parse_language(raw: str, field: str) -> Language:
    """`hi` or `en`. Raises LanguageUnknown."""
    if raw == "hi":
        return "hi"
    if raw == "en":
        return "en"
    raise LanguageUnknown(field=field)

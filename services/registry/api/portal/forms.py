"""Forms: what was typed is kept, what is wrong is said at the top and at its field (portal.md P7-P11)."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import FormData

from services.registry.api.portal.committee import Link
from services.registry.domain.commands import Once
from services.registry.domain.failures import PhoneShared, SeatTaken
from shared.errors import Failure, Invalid

FIELD_LIMIT = 300
"""Characters of one field that are kept; all of ours are shorter."""
_FIELDS_LIMIT = 40


@dataclass(frozen=True, slots=True)
class Problem:
    """One sentence of the error summary; `field` is the id of what it is about."""

    text: str
    field: str | None = None
    link: Link | None = None


class Typed(dict[str, str]):
    """What was typed, by field; an empty text for what is missing, so that a page can always be drawn again."""

    def __missing__(self, field: str) -> str:
        return ""

    def __getattr__(self, field: str) -> str:
        return self[field]

    def __repr__(self) -> str:
        return "Typed(...)"


class ReasonMissing(Invalid):
    """Choose why it ends."""

    code = "reason_missing"


class KindMissing(Invalid):
    """Choose what is in the file."""

    code = "kind_missing"


class FileMissing(Invalid):
    """Choose a file."""

    code = "file_missing"


_FIELDS = {
    "name": "name_hi",
    "name.hi": "name_hi",
    "name.en": "name_en",
    "notice.language": "notice",
    "notice.at": "notice",
}
"""Ids of the inputs, where a failure names a field otherwise."""


def problem_of(failure: Failure, text: str, gettext: Callable[[str], str]) -> Problem:
    """The line of the summary about `failure`, which `text` explains."""
    if isinstance(failure, PhoneShared):
        return Problem(text, "shared_phone")
    if isinstance(failure, SeatTaken) and failure.details.get("appointment"):
        return Problem(
            text, link=Link(f"/appointments/{failure.details['appointment']}", gettext("Who holds the seat"))
        )
    field = failure.field or ""
    return Problem(text, _FIELDS.get(field, field) if field not in {"post", "unit"} else None)


def version_of(form: Typed) -> int | None:
    """The version of the appointment that the form was drawn with."""
    return int(form["version"]) if form["version"].isascii() and form["version"].isdigit() else None


async def read_form(request: Request) -> Typed:
    """The fields of a form without files. Raises what the body limit raises."""
    return typed(await request.form(max_files=0, max_fields=_FIELDS_LIMIT))


def typed(form: FormData) -> Typed:
    """The text fields of `form`, bounded."""
    return Typed({name: value[:FIELD_LIMIT] for name, value in form.items() if isinstance(value, str)})


def once(form: Mapping[str, str], what: Sequence[str]) -> Once:
    """A form is one request however often it is sent: its hidden `request_id`, and a digest of what it says. A form
    that was corrected after a refusal says something else: it is another request."""
    said = hashlib.sha256("\0".join([*what, *(form[name] for name in sorted(form) if name != "request_id")]).encode())
    return Once(key=f"form:{form['request_id']}:{said.hexdigest()[:16]}", request_hash=said.digest())

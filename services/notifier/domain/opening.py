"""From opened fields to what a channel may say: shapes of contact and secrets, checked once."""

from pydantic import ValidationError

from services.notifier.domain.message import Contact, Secrets
from shared.errors import Failure
from shared.events import Label
from shared.events.envelope import Frozen


class MalformedSecret(Failure):
    """A sealed field holds something else than its contract says."""

    code = "malformed_secret"
    alarm = True


class _Contact(Frozen):
    phone: str
    appointee: Label | None = None
    recorder: str | None = None


class _Secrets(Frozen):
    handle: str | None = None
    link: str | None = None
    code: str | None = None
    name: Label | None = None


def contact_of(value: object) -> Contact:
    """The opened field `contact`. Raises MalformedSecret."""
    try:
        opened = _Contact.model_validate(value)
    except ValidationError:
        raise MalformedSecret from None
    return Contact(opened.phone, opened.appointee, opened.recorder)


def secrets_of(value: object) -> Secrets:
    """The opened field `secrets`. Raises MalformedSecret."""
    try:
        opened = _Secrets.model_validate(value)
    except ValidationError:
        raise MalformedSecret from None
    return Secrets(code=opened.code, link=opened.link, handle=opened.handle, name=opened.name)

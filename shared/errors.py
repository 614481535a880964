"""Errors as data: what happened, which HTTP status it is, whether trying again helps, whether somebody is woken."""

from enum import StrEnum
from typing import ClassVar

Detail = str | int | float | bool | None

EX_UNAVAILABLE = 69
"""Exit code (sysexits.h): something of this machine cannot be had, such as the port."""
EX_TEMPFAIL = 75
"""Exit code (sysexits.h): start the process again, soon."""
EX_CONFIG = 78
"""Exit code (sysexits.h): starting it again helps only after somebody has put something right."""


class Retry(StrEnum):
    """What helps after a failure."""

    NEVER = "never"  # the same input fails again: dead letter, or the caller corrects it
    LATER = "later"  # the cause is outside and passes: the same input may succeed


class Failure(Exception):
    """Something failed."""

    # The docstring is the message: English, and the msgid of the catalogues; {names} are filled from the details.
    # Details reach callers, logs and dead letters: never a phone, a name, a code, a handle or a token.
    code: ClassVar[str] = "failure"
    status: ClassVar[int] = 500
    retry: ClassVar[Retry] = Retry.NEVER
    alarm: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1
    """What a process ends with that dies of it."""

    def __init__(self, *, field: str | None = None, retry_after: float | None = None, **details: Detail) -> None:
        """`field` names the input at fault; `retry_after` is in seconds from now."""
        self.field = field
        self.retry_after = retry_after
        self.details = details
        super().__init__(self.message)

    def at(self, field: str) -> "Failure":
        """The same failure, naming the input at fault as the caller knows it."""
        self.field = field
        return self

    @property
    def template(self) -> str:
        """The message before its details are filled in, on one line: the key into the message catalogues."""
        return " ".join((type(self).__doc__ or Failure.__doc__ or "").split())

    @property
    def message(self) -> str:
        """What happened, in English."""
        return self.template.format(**self.details)


class Invalid(Failure):
    """The request is not valid."""

    code = "invalid"
    status = 422


class Unauthenticated(Failure):
    """Sign in first, or send a valid API key."""

    code = "unauthenticated"
    status = 401


class Forbidden(Failure):
    """This is not allowed with these rights."""

    code = "forbidden"
    status = 403


class NotFound(Failure):
    """There is nothing here."""

    code = "not_found"
    status = 404


class Conflict(Failure):
    """This contradicts what is already recorded."""

    code = "conflict"
    status = 409


class TooLarge(Failure):
    """The request is larger than {limit_bytes} bytes."""

    code = "too_large"
    status = 413


class Throttled(Failure):
    """Too many requests; try again later."""

    code = "throttled"
    status = 429
    retry = Retry.LATER


class Unavailable(Failure):
    """Something this depends on does not answer; try again in a moment."""

    code = "unavailable"
    status = 503
    retry = Retry.LATER
    exit_code = EX_TEMPFAIL

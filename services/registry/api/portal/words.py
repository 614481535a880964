"""Words of the portal: states, counts, reasons and gaps as people say them. Pure; every sentence is a msgid."""

import gettext as catalogues
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from markupsafe import Markup

from shared.i18n import number

Gettext = Callable[[str], str]

OOB = Markup(' hx-swap-oob="outerMorph"')  # the one piece of markup that is not in a template
"""What turns a component of a page into a live fragment: replaced in place by its id."""


class UnitLike(Protocol):
    """What has a code."""

    @property
    def code(self) -> str:
        """Code of the unit."""


class Counts(Protocol):
    """Seats of a unit, or of all units below one."""

    @property
    def size(self) -> int:
        """Seats there are."""

    @property
    def verified(self) -> int:
        """Seats whose holders confirmed."""

    @property
    def waiting(self) -> int:
        """Seats whose holders were asked."""

    @property
    def refused(self) -> int:
        """Seats that fell vacant by refusal, lock or expiry and were not filled again."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Percent of all seats, for the bar; two decimals."""

    verified: float
    waiting: float
    refused: float


def N_(message: str) -> str:  # noqa: N802 # gettext's own name for "translate later"
    """Marks a message for extraction."""
    return message


_STATUS = {
    "recorded": N_("Recorded"),
    "sent": N_("Sent"),
    "delivered": N_("Delivered"),
    "verified": N_("Verified"),
    "refused": N_("Refused"),
    "locked": N_("Locked"),
    "expired": N_("Ran out"),
    "ended": N_("Ended"),
    "failed": N_("Not delivered"),
    "vacant": N_("Vacant"),
}

_REASON = {
    "blocked": N_("the phone or the person blocks our messages"),
    "unreachable": N_("phone off or out of reach"),
    "unknown_number": N_("no such number"),
    "not_mobile": N_("not a mobile number"),
    "opted_out": N_("the person wants no messages"),
    "expired": N_("its time passed before it could be sent"),
    "dropped": N_("no longer needed"),
    "rejected": N_("the provider refuses this text or sender"),
    "provider_down": N_("the provider does not answer"),
    "configuration": N_("the sending is not set up correctly"),
    "channel_lost": N_("the bot may no longer post there"),
    "no_channel": N_("no way to reach the phone is left"),
}

_LANGUAGE = {"hi": N_("Hindi"), "en": N_("English")}


def status_word(status: str, gettext: Gettext) -> str:
    """The word on a chip. Raises KeyError."""
    return gettext(_STATUS[status])


def reason_words(reason: str | None, gettext: Gettext) -> str:
    """Why a message did not arrive; a reason of a newer version is "unknown"."""
    return gettext(_REASON[reason]) if reason in _REASON else gettext("for an unknown reason")


def language_word(code: str, gettext: Gettext) -> str:
    """Name of a language."""
    return gettext(_LANGUAGE[code])


def shares(counts: Counts) -> Shares:
    """`counts` as percent; nothing of nothing is 0."""
    whole = counts.size or 1
    verified, waiting, refused = (
        round(100 * part / whole, 2) for part in (counts.verified, counts.waiting, counts.refused)
    )
    return Shares(verified, waiting, refused)


def percent(counts: Counts, language: str) -> str:
    """Share of verified seats, `71.8%`. Rounded down, so that nothing is 100 % before it is."""
    return f"{number(int(1000 * counts.verified / (counts.size or 1)) / 10, language)}%"


def counts_words(counts: Counts, catalogue: catalogues.NullTranslations) -> str:
    """A bar or strip in words, for those who do not see it."""
    vacant = max(0, counts.size - counts.verified - counts.waiting - counts.refused)
    return catalogue.gettext(
        "%(verified)s verified, %(waiting)s waiting, %(refused)s refused or run out, %(vacant)s vacant"
    ) % {
        "verified": counts.verified,
        "waiting": counts.waiting,
        "refused": counts.refused,
        "vacant": vacant,
    }


def gap(between: timedelta, catalogue: catalogues.NullTranslations) -> str:
    """How much later a step came: `6 s later`, `5 min later`, `3 h later`, `2 days later`."""
    seconds = max(0, int(between.total_seconds()))
    if seconds < 60:
        return catalogue.ngettext("%(num)s second later", "%(num)s seconds later", seconds) % {"num": seconds}
    if seconds < 3600:
        return catalogue.ngettext("%(num)s minute later", "%(num)s minutes later", seconds // 60) % {
            "num": seconds // 60
        }
    if seconds < 86400:
        return catalogue.ngettext("%(num)s hour later", "%(num)s hours later", seconds // 3600) % {
            "num": seconds // 3600
        }
    return catalogue.ngettext("%(num)s day later", "%(num)s days later", seconds // 86400) % {"num": seconds // 86400}


def unit_path(unit: UnitLike) -> str:
    """The committee page of a unit."""
    return f"/units/{unit.code}"


def coverage_path(unit: UnitLike) -> str:
    """The coverage page of a unit."""
    return f"/coverage/{unit.code}"

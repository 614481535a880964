"""What a person sees of a challenge: texts from the registry made safe to show, and which step is offered."""

import unicodedata
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime

from services.otp.domain.challenge import Glimpse
from shared.events import Label, Language, PostRef, UnitRef
from shared.events.envelope import Frozen

Step = Literal["enter", "ask", "wait", "exhausted"]

_JOINERS = "\u200c\u200d"


class Shown(Frozen):
    """Who asks whom for what."""

    organisation: Label
    unit: UnitRef
    post: PostRef
    language: Language
    phone_last3: str
    recorded_at: AwareDatetime
    appointee: Label
    """First name and initial: a stranger may hold the phone."""
    recorder: str

    @property
    def phone(self) -> str:
        """`+91 ••••• ••210`, with spaces that do not break."""
        return f"+91\u00a0•••••\u00a0••{self.phone_last3}"


def step(glimpse: Glimpse, now: datetime) -> Step:
    """What the page offers: type the code, ask for one, wait until `ask_at`, or nothing more."""
    if glimpse.has_code:
        return "enter"
    if glimpse.sends_left == 0 or glimpse.ask_at >= glimpse.not_after:
        return "exhausted"
    return "wait" if glimpse.ask_at > now else "ask"


def plain(text: str) -> str:
    """`text` without control, bidi and zero-width characters, except the joiners that Hindi needs (portal.md P32)."""
    return "".join(char for char in text if char in _JOINERS or unicodedata.category(char) not in {"Cc", "Cf"})


def script_of(text: str) -> Language:
    """The language that a name's script belongs to, for screen readers."""
    return "hi" if any("\u0900" <= char <= "\u097f" for char in text) else "en"

"""What a person's SMS means: a code, a refusal with its code, STOP or START, or nothing that we understand."""

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from shared.events import Outcome, Result

STOP = frozenset("stop stopall unsubscribe cancel end quit रोकें रोको रोके बंद बन्द".split())  # noqa: SIM905 # reads better
START = frozenset("start unstop शुरू शुरु चालू".split())  # noqa: SIM905
NEGATION = frozenset("no not nahi nahin naa mana नहीं नही नहि ना न मना मत इनकार इंकार".split())  # noqa: SIM905
_WORD = re.compile(r"(?:[^\W\d_]|[\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962\u0963])+")
"""Letters with the vowel signs of Devanagari; "no482107" is the word "no" and a number."""
_NUMBER = re.compile(r"\d+(?:[ .-]\d+)*")
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))

HELPS_A_DAY = 3
ANSWERS_AN_HOUR = 10
ANSWERS_A_DAY = 30
"""Caps of answers to one conversation, apart from codes: five wrong guesses on two posts fit, a loop between two
machines does not."""


class Kind(StrEnum):
    """What an SMS from a person is."""

    CODE = "code"
    REFUSAL = "refusal"
    REFUSAL_WITHOUT_CODE = "refuse_needs_code"
    STOP = "stop"
    START = "start"
    HELP = "help"


@dataclass(frozen=True, slots=True)
class Meaning:
    """A text understood."""

    kind: Kind
    code: str | None = field(default=None, repr=False)


def understand(text: str, opt_out: str = "") -> Meaning:
    """What `text` means; `opt_out` is the provider's own word for it (STOP, START or empty). A code is accepted from
    any text that says nothing else: one group of six digits, in any script, and no word of refusal. Refusing needs a
    word of refusal in front and the code, since senders can be forged (decision 21)."""
    plain = _plain(text)
    words = [word.casefold() for word in _WORD.findall(plain)]
    if opt_out == "STOP" or (words and words[0] in STOP and len(words) <= 2 and not re.search(r"\d", plain)):
        return Meaning(Kind.STOP)
    if opt_out == "START" or (len(words) == 1 and words[0] in START):
        return Meaning(Kind.START)
    codes = {number for match in _NUMBER.findall(plain) if len(number := re.sub(r"\D", "", match)) == 6}
    refuses = bool(words) and words[0] in NEGATION
    if len(codes) == 1:
        code = codes.pop()
        if refuses:
            return Meaning(Kind.REFUSAL, code)
        doubtful = (NEGATION | STOP).intersection(words)
        return Meaning(Kind.HELP) if doubtful else Meaning(Kind.CODE, code)
    return Meaning(Kind.REFUSAL_WITHOUT_CODE if refuses and not codes else Kind.HELP)


def _plain(text: str) -> str:
    """NFC, decimal digits of any script as ASCII, no invisible characters, one space where there was any."""
    visible = unicodedata.normalize("NFC", text).translate(_INVISIBLE)
    digits = "".join(str(unicodedata.decimal(c)) if unicodedata.decimal(c, None) is not None else c for c in visible)
    return " ".join(digits.split())


_FIRST = (
    Result.VERIFIED, Result.REFUSED, Result.LOCKED, Result.WRONG, Result.CODE_EXPIRED, Result.CODE_SENT, Result.WAIT,
    Result.LIMIT, Result.ALREADY, Result.OVER,
)  # fmt: skip


def worth_saying(outcomes: tuple[Outcome, ...]) -> Outcome | None:
    """The outcome that one SMS tells, when a reply touched several challenges: what changed before what did not."""
    return min(outcomes, key=lambda outcome: _FIRST.index(outcome.result), default=None)


def may_answer(kind: str, answered: list[tuple[datetime, str]], now: datetime) -> bool:
    """Whether one more answer fits under the caps; `answered` are the conversation's answers of the last day."""
    hour = sum(at > now - timedelta(hours=1) for at, _ in answered)
    helps = sum(what == kind for _, what in answered)
    unhelpful = kind in {Kind.HELP, Kind.REFUSAL_WITHOUT_CODE, "nothing", "stopped", "started"}
    return hour < ANSWERS_AN_HOUR and len(answered) < ANSWERS_A_DAY and not (unhelpful and helps >= HELPS_A_DAY)

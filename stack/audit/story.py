"""One appointment (or message, or reply) as every part of the system remembers it: plain data, no I/O."""

from collections.abc import Sequence
from dataclasses import dataclass, field

FOUND = 3
"""Exit code of an audit that found something."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that no story explains: `kind` names the rule, `about` the appointment, message or part."""

    kind: str
    about: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """What is known from one place about `key`: the appointment; where there is none, the message or reply itself."""

    key: str


@dataclass(frozen=True, slots=True)
class Held(Row):
    """The registry's appointment. `verified` and `announced` count its timeline's entries, too late ones left out."""

    state: str
    cycle: int
    version: int
    mode: str
    via: str | None = None
    verified: int = 0
    announced: int = 0


@dataclass(frozen=True, slots=True)
class Asked(Row):
    """A cycle as the registry has heard of it."""

    challenge: str
    cycle: int
    state: str
    version: int


@dataclass(frozen=True, slots=True)
class Challenge(Row):
    """A cycle as otp keeps it. `hows` says of each attempt, in order, whether it was a code or a link, and `:again`
    when it replaces one of unknown outcome; `renewed`: a code was sent anew because its message came too late."""

    challenge: str
    cycle: int
    state: str
    version: int
    attempt: int
    hows: str = ""
    renewed: bool = False

    @property
    def attempts(self) -> Sequence[str]:
        """How each attempt was made."""
        return self.hows.split() if self.hows else ()


@dataclass(frozen=True, slots=True)
class Told(Row):
    """A challenge as the notifier knows it."""

    challenge: str
    state: str
    version: int


@dataclass(frozen=True, slots=True)
class Letter(Row):
    """A message in the notifier's ledger."""

    message: str
    template: str
    attempt: int
    state: str
    version: int
    tries: int
    challenge: str | None = None
    channel: str | None = None
    reason: str | None = None
    resent: bool = False


@dataclass(frozen=True, slots=True)
class Shown(Row):
    """A message as the registry shows it."""

    message: str
    state: str
    version: int


@dataclass(frozen=True, slots=True)
class Stated(Row):
    """One record of a topic. `digest` is of its body without what is sealed anew at each publishing."""

    type: str
    subject: str
    version: int
    event: str
    digest: str
    cycle: int = 0


@dataclass(frozen=True, slots=True)
class Arrived(Row):
    """An SMS at the carrier; `key` is the message's until it is matched with the ledger. `phone` is a hash."""

    message: str
    attempt: int
    """The notifier's try, from the callback."""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Act(Row):
    """What the person did, as the simulation knows it: `ends` is the state that must follow ("" : nobody knows),
    `asks` how often a code was asked for, `phone` a hash of the only phone that may get anything, `how` says it in
    words."""

    ends: str
    asks: int = 0
    phone: str = ""
    how: str = ""


@dataclass(slots=True)
class Story:
    """Everything about one key."""

    key: str
    held: list[Held] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    challenges: list[Challenge] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    stated: list[Stated] = field(default_factory=list)
    arrived: list[Arrived] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)

    @property
    def appointment(self) -> Held | None:
        """The registry's row."""
        return self.held[0] if self.held else None

    def of_type(self, *types: str) -> list[Stated]:
        """Records of these event types."""
        return [record for record in self.stated if record.type in types]


PLACES: dict[type[Row], str] = {
    Held: "held", Asked: "asked", Challenge: "challenges", Told: "told", Letter: "letters", Shown: "shown",
    Stated: "stated", Arrived: "arrived", Act: "acts",
}  # fmt: skip
"""Where in a story each kind of row belongs."""

"""What steps take and give, what the page may show, the failures, and the port to the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from services.otp.domain.codes import Candidate
from shared.errors import Failure, Unavailable
from shared.events import Fingerprints, Outcome

Mode = Literal["live", "invite"]
DeliveryStatus = Literal["accepted", "delivered", "failed", "expired", "falls_back", "unknown"]
Word = Literal[
    "verified", "refused", "wrong", "locked", "code_expired", "sent", "wait", "limit", "already", "over", "stale"
]
"""What a script says it did."""


class Moved(Unavailable):
    """The challenge changed while it was being read; try again."""

    code = "moved"


class StepFailed(Failure):
    """A step of otp failed inside Valkey: {step} at line {line}."""

    # Not Unavailable: the same input fails again, so a record becomes a dead letter instead of holding up its key.
    code = "step_failed"
    alarm = True


class BadEvidence(Failure):
    """A reply's sealed evidence is not what the contract says: {problem}."""

    code = "evidence"
    alarm = True


@dataclass(frozen=True, slots=True)
class Opening:
    """One cycle of an appointment, ready for the script. Texts in `asking` and `page` are kept as given."""

    challenge: UUID
    organisation: UUID
    appointment: UUID
    cycle: int
    version: int
    not_after: datetime
    mode: Mode
    kid: str
    handle_hash: str
    fingerprints: Fingerprints
    counter: str
    candidates: Sequence[Candidate]
    asking: str
    page: str
    causation: UUID


@dataclass(frozen=True, slots=True)
class Answer:
    """What a step did. `at`: when to try again (wait, limit). `final`: the act that ended the challenge."""

    result: Word
    guesses_left: int | None = None
    at: datetime | None = None
    final: bool = False
    n: int | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """What a confirmation rests on, as `ChallengeVerified` states it."""

    via: str
    at: datetime
    notice_version: str
    language: str
    name_consent: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """A person's reply, opened, with digests in place of the code."""

    reply: UUID
    conversation: UUID
    organisation: UUID
    causation: UUID
    kind: Literal["code", "refusal", "tap"]
    via: str
    fingerprints: Fingerprints
    challenge: UUID | None = None
    digests: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    act: Literal["confirm", "refuse", "resend"] | None = None
    fresh: bool = True
    proof: Proof | None = None
    candidates: Sequence[Candidate] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a challenge stands with its codes: what candidates must follow."""

    kid: str
    n: int
    fingerprints: Fingerprints


@dataclass(frozen=True, slots=True)
class Glimpse:
    """A challenge as its page may show it."""

    challenge: UUID
    appointment: UUID
    cycle: int
    is_open: bool
    not_after: datetime
    has_code: bool
    """A code was sent and is live."""
    code_not_after: datetime
    asked_before: bool
    guesses_left: int
    sends_left: int
    ask_at: datetime
    """From when a code may be asked for."""
    asking: str
    page: str
    answer: Answer | None
    """What the named request led to."""


class Challenges(Protocol):
    """The challenges, one atomic step each. All raise Unavailable when the store does not answer."""

    async def open(self, opening: Opening, now: datetime) -> str:
        """Open, or state expired; idempotent by appointment version and cycle."""

    async def close(self, appointment: UUID, version: int, causation: UUID, now: datetime) -> str:
        """The appointment has ended."""

    async def erase(
        self, appointments: Sequence[UUID], fingerprints: Sequence[str], causation: UUID, now: datetime
    ) -> str:
        """Forget a person."""

    async def view(self, handle_hash: str, request: str, now: datetime) -> Glimpse | None:
        """What the page shows; None: no such handle."""

    async def ask(self, handle_hash: str, request: str, candidates: Sequence[Candidate], now: datetime) -> Answer:
        """Send a code."""

    async def verify(
        self, handle_hash: str, request: str, digests: Mapping[str, str], proof: Proof, now: datetime
    ) -> Answer:
        """Compare and consume."""

    async def refuse(self, handle_hash: str, request: str, via: str, now: datetime) -> Answer:
        """Not this person."""

    async def judge(self, reply: Reply, now: datetime) -> Sequence[Outcome] | None:
        """Judge a reply once. None: the candidates are of another n; read the place again."""

    async def place(self, challenge: UUID) -> Place | None:
        """Kid, n and fingerprints of a challenge; None: unknown or erased."""

    async def place_of(self, handle_hash: str) -> tuple[UUID, Place] | None:
        """The same by handle."""

    async def note(
        self, challenge: UUID, attempt: int, *, version: int, status: DeliveryStatus, at: datetime, now: datetime
    ) -> str:
        """What became of a message."""

    async def due(self, now: datetime, limit: int) -> Sequence[str]:
        """Things whose time has come, the oldest first."""

    async def sweep(self, item: str, candidates: Sequence[Candidate], now: datetime) -> str:
        """Do one of them."""

    async def stated_since(self, since: datetime) -> Sequence[UUID]:
        """Challenges that stated something since then, oldest first."""

    async def republish(self, challenge: UUID, now: datetime) -> int:
        """State it again; how many events."""

    async def known_cluster(self) -> str | None:
        """The broker that was last told everything."""

    async def remember_cluster(self, cluster: str, kept_seconds: int) -> None:
        """This broker has been told."""

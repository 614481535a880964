"""How sending fails, as data, and the one place that decides what follows from it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.errors import Failure
from shared.events import Reason

MAX_TRANSIENT = 5
"""Failures in a row before a message is given up: 1 + 2 + 4 + 8 s of waiting, inside a code's ten minutes."""
BACKOFF_CAP = 60.0
"""Seconds: longer waits belong to an outage, and a code is stale by then."""


LONGEST_REST = 3600.0
"""Seconds: what a provider says beyond is not believed; it may say it again."""


class Class(StrEnum):
    """What kind of failure it is (sms.md 3)."""

    RETRY = "retry"  # nothing reached the provider: the same message may be sent again
    THROTTLE = "throttle"  # the provider refused unread: the credential rests, the message waits
    PERMANENT = "permanent"  # this channel cannot reach this person: the next channel, at once
    STOP = "stop"  # the person wants nothing more by this channel
    CONFIG = "config"  # sender, credential or template is wrong: no message of this channel will pass
    UNKNOWN = "unknown"  # the request was written, the answer never came


class SendFailure(Failure):
    """A message was not sent ({provider} {provider_code})."""

    # `provider_code` is the provider's own code or HTTP status: never text, which may hold a number.
    code = "send"

    def __init__(
        self,
        kind: Class,
        reason: Reason,
        *,
        provider: str,
        provider_code: str | int,
        retry_after: float | None = None,
        suppress: bool = False,
        migrate_to: int | None = None,
    ) -> None:
        """`suppress`: the provider says that the number opted out. `migrate_to`: the chat's new id (Telegram)."""
        retry_after = None if retry_after is None else min(max(0.0, retry_after), LONGEST_REST)
        super().__init__(retry_after=retry_after, provider=provider, provider_code=provider_code)
        self.kind = kind
        self.reason = reason
        self.suppress = suppress
        self.migrate_to = migrate_to

    @property
    def alarms(self) -> bool:
        """Whether an operator is needed."""
        return self.kind is Class.CONFIG


@dataclass(frozen=True, slots=True)
class Requeue:
    """Send it again on the same channel, not before this moment."""

    not_before: datetime
    counts: bool
    """Whether it counts as a failure in a row; being throttled does not."""
    pause: float | None = None
    """Seconds for which the whole credential rests."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """This channel is done with the message; the next one is tried at once if there is one."""

    reason: Reason
    suppress: bool = False


@dataclass(frozen=True, slots=True)
class Doubt:
    """The outcome is unknown: said so, and never sent again silently."""


Decision = Requeue | GiveUp | Doubt


def decide(failure: SendFailure, transient: int, now: datetime, jitter: float = 0.0) -> Decision:
    """What follows from `failure` after `transient` earlier failures in a row. `jitter` in 0..1 spreads the waits."""
    match failure.kind:
        case Class.UNKNOWN:
            return Doubt()
        case Class.THROTTLE:
            rest = failure.retry_after if failure.retry_after is not None else 1.0
            return Requeue(now + timedelta(seconds=rest), counts=False, pause=rest)
        case Class.RETRY if transient + 1 < MAX_TRANSIENT:
            return Requeue(now + timedelta(seconds=backoff(transient, jitter)), counts=True)
        case _:
            return GiveUp(failure.reason, suppress=failure.suppress)


def backoff(failures: int, jitter: float) -> float:
    """Seconds to wait after `failures` earlier ones: 1, 2, 4 ... doubled, half of it spread by `jitter` in 0..1."""
    full = min(BACKOFF_CAP, float(2**failures))
    return full * (0.5 + jitter / 2)

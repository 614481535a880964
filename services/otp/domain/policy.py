"""The numbers of asking: how many guesses and messages, how long everything lives."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

HOUR, DAY = 3600, 86400

NOTICE_VERSION = "1"
"""The privacy notice that the confirm page shows (pages/notice.html); a changed text is a new version."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Times in seconds. The defaults are the rules; a setting may only make them stricter (see settings)."""

    code: int = 600
    """A code sent to a phone lives 10 minutes at most (NIST SP 800-63B 5.1.3.2, ASVS 6.5.5)."""
    message_margin: int = 60
    """A code message that would leave later than this before its code ends is dropped (otp.md rule 22)."""
    code_margin: int = 90
    """A code with less left is not sent again: the message could not leave in time. The person asks for a new one."""
    guesses: int = 5
    """Exactly (otp.md rule 4; Kratos, Twilio, SuperTokens)."""
    sends_per_challenge: int = 5
    """All channels summed, link and code alike (otp.md rule 14; Twilio)."""
    cooldowns: tuple[int, ...] = (30, 60, 120, 300)
    """After the first, second ... code (otp.md rule 13)."""
    per_number: tuple[tuple[int, int], ...] = ((5, HOUR), (10, DAY))
    """(messages, window) per phone over all challenges and channels (otp.md rule 14). Test numbers count too."""
    unknown_wait: int = 45
    """Without a word about a message of unknown outcome, one new attempt (otp.md rule 23, decision 20)."""
    invitation: int = 7 * DAY
    """The link, at most (otp.md rule 3)."""
    contact: int = 90 * DAY
    """A Telegram contact shared longer ago proves nothing: numbers are recycled (decision 29)."""
    kept: int = 67 * DAY
    """Records outlive their deadline: longer than any delivery or dead letter is kept (60 days, and the topic's 7)."""
    reply_kept: int = 38 * DAY
    """A reply is remembered longer than topic plus dead letters (37 days, decision 17)."""

    def for_scripts(self) -> dict[str, object]:
        """As the Lua scripts read it, in milliseconds."""
        return {
            "code_ms": self.code * 1000,
            "message_margin_ms": self.message_margin * 1000,
            "code_margin_ms": self.code_margin * 1000,
            "guesses": self.guesses,
            "sends_per_challenge": self.sends_per_challenge,
            "cooldowns_ms": [seconds * 1000 for seconds in self.cooldowns],
            "per_number": [{"count": count, "window_ms": window * 1000} for count, window in self.per_number],
            "per_number_window_ms": max(window for _, window in self.per_number) * 1000,
            "unknown_wait_ms": self.unknown_wait * 1000,
            "kept_ms": self.kept * 1000,
            "reply_kept_ms": self.reply_kept * 1000,
        }


def invitation_ends(stated: datetime | None, at: datetime, policy: Policy) -> datetime:
    """When the invitation ends: as the registry stated, never more than `policy.invitation` after the event."""
    latest = at + timedelta(seconds=policy.invitation)
    return min(stated, latest) if stated else latest


def contact_is_fresh(shared_at: datetime, now: datetime, policy: Policy) -> bool:
    """Whether a tap of the account that shared its contact then still proves the phone."""
    return now - shared_at <= timedelta(seconds=policy.contact)


def milliseconds(moment: datetime) -> int:
    """As the scripts take time."""
    return round(moment.timestamp() * 1000)


def moment_of(value: float) -> datetime:
    """The time that a script stored."""
    return datetime.fromtimestamp(value / 1000, UTC)

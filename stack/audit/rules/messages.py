"""Rules over messages: each ends, arrives once, and every repeat is explained."""

from collections import Counter
from collections.abc import Iterator

from stack.audit.story import Arrived, Challenge, Finding, Letter, Story

REQUESTED = "message.requested.v1"
UNKNOWN = "delivery.unknown.v1"
INVITATION = "invitation"
ANSWER = "answer"
"""The notifier's own template: nobody requests it."""
_ENDS = frozenset({"accepted", "delivered", "failed", "unknown"})
_NEVER_LEFT = frozenset({"dropped", "expired"})


def messages(story: Story, *, complete: bool) -> Iterator[Finding]:
    """All messages of a story."""
    yield from _requested(story, complete=complete)
    shown = {each.message: (each.state, each.version) for each in story.shown}
    arrivals: dict[str, list[Arrived]] = {}
    for arrival in story.arrived:
        arrivals.setdefault(arrival.message, []).append(arrival)
    for letter in story.letters:
        yield from _ended(letter, shown.get(letter.message))
        yield from _arrived(letter, arrivals.pop(letter.message, []))
    for message in arrivals:
        yield Finding("arrived, sent by nobody", message)
    for challenge in story.challenges:
        yield from _repeats(story, challenge)
    yield from _right_phone(story)


def _requested(story: Story, *, complete: bool) -> Iterator[Finding]:
    """Every request is in the ledger, and the ledger holds nothing that was not requested."""
    requested = {record.subject for record in story.of_type(REQUESTED)}
    kept = {letter.message: letter for letter in story.letters}
    for message in sorted(requested - kept.keys()):
        yield Finding("lost: request not in the ledger", message)
    for message, letter in kept.items():
        if complete and message not in requested and letter.template != ANSWER:
            yield Finding("message that nobody requested", message, letter.template)


def _ended(letter: Letter, shown: tuple[str, int] | None) -> Iterator[Finding]:
    if letter.state not in _ENDS:
        yield Finding("message without an end", letter.message, letter.state)
    elif shown != (letter.state, letter.version):
        said = f"{shown[0]} {shown[1]}" if shown else "nothing"
        yield Finding("delivery not heard", letter.message, f"{said}, ledger {letter.state} {letter.version}")


def _arrived(letter: Letter, arrivals: list[Arrived]) -> Iterator[Finding]:
    if not arrivals and letter.channel == "sms" and letter.state in {"accepted", "delivered"}:
        yield Finding("lost: accepted, never arrived", letter.message)
    if arrivals and letter.state == "failed" and letter.reason in _NEVER_LEFT:
        yield Finding("sent, but stated as not sent", letter.message, str(letter.reason))
    tries = Counter(arrival.attempt for arrival in arrivals)
    for number, count in tries.items():
        if count > 1:
            yield Finding("one try sent twice", letter.message, f"try {number}, {count} times")
    if len(tries) > 1 + letter.resent:
        yield Finding("sent again silently", letter.message, f"{len(tries)} times, {letter.template}")


def _repeats(story: Story, challenge: Challenge) -> Iterator[Finding]:
    """Attempts are numbered without a gap; one that replaces another needs a send whose outcome was unknown, any
    other beyond the first somebody who asked."""
    letters = [each for each in story.letters if each.challenge == challenge.challenge and each.template == INVITATION]
    numbers = sorted(each.attempt for each in letters)
    if numbers != list(range(1, challenge.attempt + 1)):
        yield Finding("attempts differ", challenge.challenge, f"ledger {numbers}, otp {challenge.attempt}")
    doubted = {record.subject for record in story.of_type(UNKNOWN)}
    again = [how for how in challenge.attempts if how.endswith(":again")]
    excused = sum(letter.message in doubted for letter in letters)
    if len(again) > excused:
        yield Finding("repeat without a send in flight", challenge.challenge, f"{len(again)} for {excused} in doubt")
    if story.acts:
        asked = sum(act.asks for act in story.acts)
        first = len(challenge.attempts) - len(again)
        if first > 1 + asked + challenge.renewed:
            yield Finding("sent without being asked", challenge.challenge, f"{first} messages, asked {asked} times")


def _right_phone(story: Story) -> Iterator[Finding]:
    allowed = {act.phone for act in story.acts if act.phone}
    invitations = {each.message for each in story.letters if each.template == INVITATION}
    for arrival in story.arrived:
        if allowed and arrival.phone and arrival.message in invitations and arrival.phone not in allowed:
            yield Finding("wrong phone", arrival.message)

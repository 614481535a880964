"""Rules over one appointment: asked, answered once, and the same in every place that keeps it."""

from collections.abc import Iterator, Mapping

from stack.audit.story import Asked, Challenge, Finding, Held, Story

RECORDED = "appointment.recorded.v1"
VERIFIED = "challenge.verified.v1"
OPEN = "recorded"
_HEARD: Mapping[str, str] = {"open": "opened", "superseded": "closed", "ended": "closed", "erased": "closed"}
"""otp's word for a state -> the registry's, where they differ."""
_FOLLOWS: Mapping[str, frozenset[str]] = {
    OPEN: frozenset({"open"}),
    "verified": frozenset({"verified"}),
    "refused": frozenset({"refused"}),
    "locked": frozenset({"locked"}),
    "expired": frozenset({"expired"}),
    "ended": frozenset({"ended", "erased", "verified", "refused", "locked", "expired"}),
}
"""State of an appointment -> states that the challenge of its cycle may have; ended wins over what came before."""
_DECIDED = frozenset({"verified", "refused", "locked", "expired", "closed"})


def asking(story: Story) -> Iterator[Finding]:
    """An appointment and its challenges."""
    held = story.appointment
    if held is None:
        yield from _stranger(story)
        return
    if not story.of_type(RECORDED):
        yield Finding("recorded, never stated", story.key)
    challenge = next((each for each in story.challenges if each.cycle == held.cycle), None)
    if challenge is None:
        yield Finding("lost: never asked", story.key, f"cycle {held.cycle}, {held.state}")
        return
    if challenge.state not in _FOLLOWS.get(held.state, ()):
        yield Finding("states disagree", story.key, f"registry {held.state}, otp {challenge.state}")
    yield from _heard(story.asked, story.challenges)
    yield from _told(story)
    yield from _verified_once(story, held)
    yield from _as_acted(story, held)
    if held.state == OPEN and open_because(story, challenge) is None:
        yield Finding("open without a reason", story.key)


def _stranger(story: Story) -> Iterator[Finding]:
    """What is left of an appointment that the registry does not have."""
    if story.acts:
        yield Finding("lost: not in the registry", story.key)
    if story.challenges or story.asked or story.of_type(RECORDED):
        yield Finding("unknown appointment", story.key)


def _heard(asked: list[Asked], challenges: list[Challenge]) -> Iterator[Finding]:
    """What otp states last is what the registry heard last."""
    heard = {each.challenge: each for each in asked}
    for challenge in challenges:
        known = heard.get(challenge.challenge)
        state = _HEARD.get(challenge.state, challenge.state)
        if known is None or (known.state, known.version) != (state, challenge.version):
            said = f"{known.state} {known.version}" if known else "nothing"
            yield Finding("registry has not heard", challenge.challenge, f"{said}, otp {state} {challenge.version}")


def _told(story: Story) -> Iterator[Finding]:
    """What is decided the notifier knows, so that nothing more is sent."""
    known = {each.challenge: each.state for each in story.told}
    for challenge in story.challenges:
        state = _HEARD.get(challenge.state, challenge.state)
        if state in _DECIDED and known.get(challenge.challenge) != state:
            told = known.get(challenge.challenge, "nothing")
            yield Finding("notifier has not heard", challenge.challenge, f"{told}, otp {state}")


def _verified_once(story: Story, held: Held) -> Iterator[Finding]:
    """One event id and one effect, however often the record was delivered."""
    events = {record.event for record in story.of_type(VERIFIED) if record.cycle == held.cycle}
    should = held.state == "verified"
    if len(events) > 1:
        yield Finding("second verified event", story.key, f"{len(events)} ids")
    if should and not events:
        yield Finding("verified by nobody", story.key)
    if held.verified > 1 or held.announced > 1:
        yield Finding("second effect", story.key, f"verified {held.verified} times, announced {held.announced}")
    if should and held.verified == 0:
        yield Finding("verified without an effect", story.key)


def _as_acted(story: Story, held: Held) -> Iterator[Finding]:
    """What the person did is what came of it."""
    for act in story.acts:
        if act.ends and act.ends != held.state:
            kind = "lost: answered, still open" if held.state == OPEN else "wrong outcome"
            yield Finding(kind, story.key, f"{act.how or act.ends}, is {held.state}")


def open_because(story: Story, challenge: Challenge) -> str | None:
    """Why an appointment is still open, from its messages; None: nothing says why."""
    letters = [each for each in story.letters if each.challenge == challenge.challenge]
    if not letters:
        return None
    states = {each.state for each in letters}
    if states & {"delivered", "accepted"}:
        return "not answered"
    if "unknown" in states:
        return "in doubt"
    if states == {"failed"}:
        return f"undelivered: {max(letters, key=lambda each: each.attempt).reason}"
    return None

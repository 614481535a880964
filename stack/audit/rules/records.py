"""Rules over topics: versions without gaps, one event for one version, one body for one event, a judgement a reply."""

from collections import defaultdict
from collections.abc import Iterator

from stack.audit.story import Finding, Stated, Story

RECEIVED, JUDGED = "reply.received.v1", "reply.judged.v1"


def records(story: Story, *, complete: bool) -> Iterator[Finding]:
    """A repeated record is normal and counts once; two truths under one version are not."""
    by_aggregate: dict[tuple[str, str], list[Stated]] = defaultdict(list)
    for record in story.stated:
        by_aggregate[_family(record.type), record.subject].append(record)
    for (family, subject), stated in by_aggregate.items():
        yield from _one_truth(family, subject, stated)
        yield from _no_gap(story, family, subject, {record.version for record in stated}, complete=complete)


def _one_truth(family: str, subject: str, stated: list[Stated]) -> Iterator[Finding]:
    events: dict[int, set[str]] = defaultdict(set)
    bodies: dict[str, set[str]] = defaultdict(set)
    for record in stated:
        events[record.version].add(record.event)
        bodies[record.event].add(record.digest)
    for version, ids in events.items():
        if len(ids) > 1:
            yield Finding("two events for one version", subject, f"{family} version {version}")
    for event, digests in bodies.items():
        if len(digests) > 1:
            yield Finding("one event with two bodies", subject, f"{family} event {event}")


def _no_gap(story: Story, family: str, subject: str, versions: set[int], *, complete: bool) -> Iterator[Finding]:
    """Challenges and deliveries state every version; an appointment's own events leave out what others state."""
    last = {
        "challenge": {each.challenge: each.version for each in story.challenges},
        "delivery": {each.message: each.version for each in story.letters},
    }.get(family)
    if last is None:
        return
    if subject not in last:
        yield Finding("stated by nobody", subject, f"{family} events without their {family}")
        return
    first = 1 if complete or family != "challenge" else last[subject]
    wanted, seen = set(range(first, last[subject] + 1)), {version for version in versions if version >= first}
    if wanted != seen:
        missing = sorted(wanted ^ seen)
        yield Finding("versions with a gap", subject, f"{family} at version {last[subject]}: {missing}")


def reply(story: Story) -> Iterator[Finding]:
    """Each reply is judged, once."""
    received, judged = story.of_type(RECEIVED), story.of_type(JUDGED)
    if received and not judged:
        yield Finding("reply never judged", story.key)
    if judged and not received:
        yield Finding("judgement without a reply", story.key)


def _family(event_type: str) -> str:
    """What versions are counted for; a reply and its judgement are two facts about one id."""
    return event_type if event_type.startswith("reply.") else event_type.partition(".")[0]

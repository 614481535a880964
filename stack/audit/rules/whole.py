"""Rules over the installation at rest: nothing waits, nothing was given up, everybody is counted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from stack.audit.story import Finding


@dataclass(frozen=True, slots=True)
class Dead:
    """A record in a dead-letter topic."""

    topic: str
    group: str
    reason: str


@dataclass(frozen=True, slots=True)
class Whole:
    """What is left over in each part; `waiting` counts it by place, `lag` records by group."""

    waiting: Mapping[str, int] = field(default_factory=dict)
    lag: Mapping[str, int] = field(default_factory=dict)
    dead: tuple[Dead, ...] = ()


def leftovers(found: Whole, *, expected_dead: frozenset[str] = frozenset()) -> Iterator[Finding]:
    """`expected_dead`: reasons of dead letters that this run caused on purpose."""
    for place, count in found.waiting.items():
        if count:
            yield Finding("left over", place, f"{count} rows")
    for group, count in found.lag.items():
        if count:
            yield Finding("group behind", group, f"{count} records")
    for dead in found.dead:
        if dead.reason not in expected_dead:
            yield Finding("dead letter", dead.topic, f"group {dead.group}: {dead.reason}")


def counted(states: Mapping[str, int], recorded: int, expected: int | None) -> Iterator[Finding]:
    """Every appointment ends in exactly one state, and as many as were recorded are there."""
    total = sum(states.values())
    if total != recorded:
        yield Finding("counts differ", "registry", f"{recorded} recorded, {total} in a state")
    if expected is not None and expected != recorded:
        yield Finding("counts differ", "recorder", f"{expected} asked for, {recorded} recorded")

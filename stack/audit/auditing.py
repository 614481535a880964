"""The audit itself: read everything, tell the stories, judge them."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from stack.audit.notebook import Notebook
from stack.audit.reading.carrier import read_carrier
from stack.audit.reading.sources import Sources
from stack.audit.reading.tables import read_notifier, read_registry
from stack.audit.reading.topics import lag, read_topics
from stack.audit.reading.valkey import read_otp
from stack.audit.rules import Whole, judge, leftovers
from stack.audit.rules.asking import OPEN, open_because
from stack.audit.rules.whole import counted
from stack.audit.story import FOUND, Finding, Story

SHOWN = 200
"""Findings kept whole; of more only the number by kind is known."""


@dataclass(slots=True)
class Audit:
    """What came out."""

    states: Mapping[str, int] = field(default_factory=dict)
    """Appointments by state."""
    places: Mapping[str, int] = field(default_factory=dict)
    """Rows by place."""
    repeats: dict[str, int] = field(default_factory=dict)
    open_because: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    """Findings by kind."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def recorded(self) -> int:
        """Appointments in the registry."""
        return self.places.get("held", 0)

    @property
    def exit_code(self) -> int:
        """0, or 3 when something was found."""
        return FOUND if self.kinds else 0

    def note(self, finding: Finding) -> None:
        """One more."""
        self.kinds[finding.kind] += 1
        if len(self.findings) < SHOWN:
            self.findings.append(finding)

    def take(self, story: Story, *, complete: bool) -> None:
        """Judge one story."""
        for finding in judge(story, complete=complete):
            self.note(finding)
        self.repeats["events"] = self.repeats.get("events", 0) + len({record.event for record in story.stated})
        held = story.appointment
        if held and held.state == OPEN:
            challenge = next((each for each in story.challenges if each.cycle == held.cycle), None)
            reason = open_because(story, challenge) if challenge else None
            self.open_because[reason or "no reason"] += 1


async def audit(
    sources: Sources,
    notebook: Notebook,
    *,
    expected: int | None = None,
    expected_dead: frozenset[str] = frozenset(),
    acts_by_phone: bool = False,
    complete: bool = True,
    step: Callable[[str], None] = lambda _: None,
) -> Audit:
    """Reconcile an installation at rest; the caller has written down what people did (`Act`), if it knows.
    `expected`: appointments that were recorded. `acts_by_phone`: acts are written down under the hash of the phone.
    Not `complete`: the broker came back empty. `step` is told what is being read."""
    step("PostgreSQL")
    waiting = {**await read_registry(sources.registry, notebook), **await read_notifier(sources.notifier, notebook)}
    step("Valkey")
    waiting |= await read_otp(sources.otp, notebook)
    step("carrier")
    await read_carrier(sources.carrier, notebook)
    step("topics")
    async with sources.bus.reader() as reader:
        dead = await read_topics(reader, notebook)
        behind = await lag(reader)
    step("stories")
    notebook.match_arrivals()
    if acts_by_phone:
        notebook.match_acts_by_phone()
    return concluded(
        notebook, Whole(waiting, behind, dead), expected=expected, expected_dead=expected_dead, complete=complete
    )


def concluded(
    notebook: Notebook,
    found: Whole,
    *,
    expected: int | None = None,
    expected_dead: frozenset[str] = frozenset(),
    complete: bool = True,
) -> Audit:
    """Judge what is written down and matched."""
    result = Audit(notebook.states(), notebook.counts(), notebook.repeats())
    for story in notebook.stories():
        result.take(story, complete=complete)
    for finding in leftovers(found, expected_dead=expected_dead):
        result.note(finding)
    for finding in counted(result.states, result.recorded, expected):
        result.note(finding)
    return result

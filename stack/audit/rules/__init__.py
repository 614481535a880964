"""The rules: what must be true of a story, and of the installation at rest; pure functions."""

from collections.abc import Iterator

from stack.audit.rules.asking import asking
from stack.audit.rules.messages import messages
from stack.audit.rules.records import records, reply
from stack.audit.rules.whole import Dead, Whole, leftovers
from stack.audit.story import Finding, Story

__all__ = ["Dead", "Whole", "judge", "leftovers"]


def judge(story: Story) -> Iterator[Finding]:
    """Everything in `story` that nothing explains."""
    yield from records(story)
    yield from reply(story)
    yield from messages(story)
    yield from asking(story)

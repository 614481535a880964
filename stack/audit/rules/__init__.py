"""The rules: what must be true of a story, and of the installation at rest; pure functions."""

from collections.abc import Iterator

from stack.audit.rules.asking import asking
from stack.audit.rules.messages import messages
from stack.audit.rules.records import records, reply
from stack.audit.rules.whole import Dead, Whole, leftovers
from stack.audit.story import Finding, Story

__all__ = ["Dead", "Whole", "judge", "leftovers"]


def judge(story: Story, *, complete: bool = True) -> Iterator[Finding]:
    """Everything in `story` that nothing explains. Not `complete`: the topics lost what they held (decision 22); then
    otp has stated its last word again, and not how it came to it."""
    yield from records(story, complete=complete)
    if complete:
        yield from reply(story)
    yield from messages(story, complete=complete)
    yield from asking(story)

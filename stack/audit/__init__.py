"""The audit: every appointment is reconciled across tables, Valkey, topics and the carrier's log, and what no story
explains is named.

    findings, counts = (await audit(sources, notebook)) ...

Readers fill a `Notebook` (SQLite, so that a state of 780,180 appointments needs no memory), which tells one `Story`
after the other; the rules are pure functions over it.
"""

from stack.audit.auditing import Audit, audit
from stack.audit.notebook import Notebook
from stack.audit.reading.sources import Sources
from stack.audit.story import Act, Arrived, Finding, Story

__all__ = ["Act", "Arrived", "Audit", "Finding", "Notebook", "Sources", "Story", "audit"]

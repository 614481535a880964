"""The audit as a person reads it."""

from rich.console import Console
from rich.table import Table

from stack.audit.auditing import Audit

SHOWN = 20


def tell(audit: Audit, console: Console) -> None:
    """Print what was counted, what repeats there were, and every finding by kind."""
    table = Table("appointments", "", title="audit", title_justify="left")
    table.add_row("recorded", f"{audit.recorded}")
    for state, count in audit.states.items():
        name = "open" if state == "recorded" else state
        table.add_row(f"  {name}", f"{count}")
    for reason, count in audit.open_because.most_common():
        table.add_row(f"    because {reason}", f"{count}")
    repeats = audit.repeats
    table.add_row("records in topics", f"{repeats.get('records', 0)} of {repeats.get('events', 0)} events")
    table.add_row("messages, at the carrier", f"{audit.places.get('letters', 0)}, {audit.places.get('arrived', 0)}")
    table.add_row("new attempts", f"{repeats.get('new attempts', 0)}")
    table.add_row("sends of unknown outcome", f"{repeats.get('sends in doubt', 0)}")
    console.print(table)
    if not audit.kinds:
        console.print("[green]nothing lost, nothing wrong, every repeat explained[/]", highlight=False)
        return
    found = Table("finding", "how often", style="red")
    for kind, count in audit.kinds.most_common():
        found.add_row(kind, f"{count}")
    console.print(found)
    for finding in audit.findings[:SHOWN]:
        console.print(f"  {finding.kind}: {finding.about} {finding.detail}", markup=False, highlight=False)

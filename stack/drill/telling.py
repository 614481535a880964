"""The report of a drill."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from stack.drill.sampling import STORES, Series, problems

OURS = ("registry", "otp", "notifier", "console")
MOMENTS = 12


@dataclass(frozen=True, slots=True)
class Run:
    """What a drill did: seconds by phase, and what the world outside counted."""

    appointments: int
    phases: Mapping[str, float]
    counts: Mapping[str, int]


def tell(run: Run, series: Series, console: Console) -> Sequence[str]:
    """Print the report; returns what was without bound."""
    _tell_run(run, console)
    _tell_processes(run, series, console)
    _tell_lag(series, console)
    found = list(problems(series))
    for problem in found:
        console.print(f"[red]{problem}[/]", highlight=False)
    if not found:
        console.print("[green]nothing grew without bound[/]", highlight=False)
    return found


def _tell_run(run: Run, console: Console) -> None:
    table = Table("phase", "seconds", "appointments/s", title=f"{run.appointments} appointments", title_justify="left")
    for name, seconds in run.phases.items():
        table.add_row(name, f"{seconds:.0f}", f"{run.appointments / seconds:.0f}" if seconds else "")
    console.print(table)
    console.print(", ".join(f"{name} {count}" for name, count in sorted(run.counts.items())), highlight=False)


def _tell_processes(run: Run, series: Series, console: Console) -> None:
    table = Table("process", "CPU ms per appointment", "peak MB", "MB at the end")
    for process in series.processes():
        each = series.cpu(process) * 1000 / run.appointments
        last = series.of(process)[-1].rss
        table.add_row(process, f"{each:.2f}", f"{series.peak(process):.0f}", f"{last:.0f}")
    ours = sum(series.cpu(process) for process in OURS) * 1000 / run.appointments
    stores = sum(series.cpu(process) for process in series.processes() if process in STORES) * 1000 / run.appointments
    table.add_section()
    table.add_row("ours", f"{ours:.2f}", "", "")
    table.add_row("stores", f"{stores:.2f}", "", "")
    console.print(table)


def _tell_lag(series: Series, console: Console) -> None:
    moments = series.lag_at(MOMENTS)
    groups = list(dict.fromkeys(group for _, lags in moments for group in lags))
    table = Table("after s", *groups, title="lag in records", title_justify="left")
    for at, lags in moments:
        table.add_row(f"{at:.0f}", *(str(lags.get(group, "")) for group in groups))
    console.print(table)

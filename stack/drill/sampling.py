"""CPU and memory of every process, and the lag of every group, over time."""

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path
from statistics import median
from typing import IO

TICK = os.sysconf("SC_CLK_TCK")
STORES = frozenset({"postgres", "valkey", "tansu", "kafka-1", "kafka-2", "kafka-3"})
"""These grow with the data they keep."""
RSS_LIMIT = 300.0
"""MB that no process of ours may exceed (issue 4)."""
GROWTH, SLACK = 1.15, 16.0
"""A process that has 15 % and 16 MB more in the last third of a run than in the second grows."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at one moment: seconds since the start, CPU seconds so far, MB in memory."""

    at: float
    process: str
    cpu: float
    rss: float


@dataclass(frozen=True, slots=True)
class Lag:
    """One group at one moment."""

    at: float
    group: str
    records: int


@dataclass(slots=True)
class Series:
    """Everything that was sampled; also appended to files as it comes, so that a run that is broken off has it."""

    samples: list[Sample] = field(default_factory=list)
    lags: list[Lag] = field(default_factory=list)

    def processes(self) -> list[str]:
        """In the order of their first sample."""
        return list(dict.fromkeys(sample.process for sample in self.samples))

    def of(self, process: str) -> list[Sample]:
        """One process over time."""
        return [sample for sample in self.samples if sample.process == process]

    def cpu(self, process: str) -> float:
        """CPU seconds between the first and the last sample."""
        own = self.of(process)
        return own[-1].cpu - own[0].cpu if own else 0.0

    def peak(self, process: str) -> float:
        """Most MB in memory."""
        return max((sample.rss for sample in self.of(process)), default=0.0)

    def lag_at(self, moments: int) -> list[tuple[float, Mapping[str, int]]]:
        """The lag of all groups at so many moments, evenly spread, the last one included."""
        times = sorted({lag.at for lag in self.lags})
        chosen = [times[round(n * (len(times) - 1) / max(1, moments - 1))] for n in range(moments)] if times else []
        return [(at, {lag.group: lag.records for lag in self.lags if lag.at == at}) for at in dict.fromkeys(chosen)]


def grows(series: Sequence[Sample]) -> bool:
    """Whether memory still grows after the warm-up: the last third of the time against the second."""
    third = len(series) // 3
    if third == 0:
        return False
    middle = median(sample.rss for sample in series[third : 2 * third])
    last = median(sample.rss for sample in series[2 * third :])
    return last > middle * GROWTH + SLACK


def problems(series: Series) -> Iterator[str]:
    """What was without bound, in words."""
    for process in series.processes():
        if process in STORES or process == "outside":
            continue
        own = series.of(process)
        if grows(own):
            yield f"{process} grows: {own[len(own) // 2].rss:.0f} MB in the middle, {own[-1].rss:.0f} MB at the end"
        if series.peak(process) > RSS_LIMIT:
            yield f"{process} had {series.peak(process):.0f} MB in memory, more than {RSS_LIMIT:.0f}"
    for group, records in (series.lag_at(1) or [(0.0, {})])[-1][1].items():
        if records:
            yield f"group {group} is still {records} records behind"


class Book:
    """Appends samples to CSV files."""

    def __init__(self, folder: Path) -> None:
        """New files in `folder`."""
        self.series = Series()
        self._samples = _opened(folder / "processes.csv", Sample)
        self._lags = _opened(folder / "lag.csv", Lag)

    def note(self, samples: Sequence[Sample], lags: Sequence[Lag]) -> None:
        """Keep what was sampled."""
        self.series.samples += samples
        self.series.lags += lags
        for file, rows in ((self._samples, samples), (self._lags, lags)):
            csv.writer(file).writerows(astuple(row) for row in rows)
            file.flush()

    def close(self) -> None:
        """Close the files."""
        self._samples.close()
        self._lags.close()


def _opened(path: Path, kind: type[Sample] | type[Lag]) -> IO[str]:
    file = path.open("w", encoding="utf-8", newline="")
    csv.writer(file).writerow([each.name for each in fields(kind)])
    return file


def sample(at: float, process: str, pid: int) -> Sample | None:
    """A process with its children; None when it is gone."""
    family = [pid, *_descendants(pid)]
    try:
        cpu = _cpu(pid, waited=True) + sum(_cpu(child) for child in family[1:])
        return Sample(round(at, 1), process, round(cpu, 2), round(_memory(family), 1))
    except OSError:
        return None


def _cpu(pid: int, *, waited: bool = False) -> float:
    """User and system seconds; `waited`: with those of children that have ended (proc(5), stat)."""
    try:
        times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]
    except FileNotFoundError:
        return 0.0
    return sum(int(ticks) for ticks in (times if waited else times[:2])) / TICK


def _descendants(pid: int) -> list[int]:
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return children + [each for child in children for each in _descendants(child)]


def _memory(family: Sequence[int]) -> float:
    """MB of a family: what each has alone, and what they share once."""
    statuses = [status for pid in family if (status := _status(pid))]
    alone = sum(status["RssAnon"] for status in statuses)
    shared = max((status["RssFile"] + status["RssShmem"] for status in statuses), default=0)
    return (alone + shared) / 1024


def _status(pid: int) -> dict[str, int]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    found = {line.partition(":")[0]: line.split()[1] for line in lines if line.startswith("Rss")}
    return {name: int(found.get(name, 0)) for name in ("RssAnon", "RssFile", "RssShmem")}

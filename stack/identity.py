"""Proves that a process is one of ours before anybody signals it: pid, start time and working folder."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Identity:
    """A process that cannot be mistaken for a later one with the same pid: `started` is in clock ticks since boot."""

    pid: int
    started: int

    @property
    def alive(self) -> bool:
        """Whether this very process exists and is not a zombie."""
        return identify(self.pid) == self

    def works_in(self, folder: Path) -> bool:
        """Whether it is alive and its working folder lies in `folder`, as of every process that we start."""
        try:
            cwd = Path(f"/proc/{self.pid}/cwd").readlink()
        except OSError:
            return False
        # The kernel appends " (deleted)" when the folder has been removed under the process.
        where = Path(str(cwd).removesuffix(" (deleted)"))
        return self.alive and where.is_relative_to(folder)


def identify(pid: int) -> Identity | None:
    """The process that has `pid` now, or None when there is none or only a zombie (proc(5), /proc/pid/stat)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name before it may hold spaces and brackets
    state, started = fields[0], int(fields[19])
    return None if state in "ZX" else Identity(pid, started)

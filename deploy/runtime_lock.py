"""`python runtime_lock.py requirements.in requirements.lock`: prints the part of the lock that the services need.

Embedded servers and development tools stay out: kept is what the lock's own `# via` lines lead back to the section
`# runtime` of requirements.in. Standard library only, because it runs before anything is installed."""

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

_PINNED = re.compile(r"([a-z0-9-]+)==")
_VIA = re.compile(r" +#(?: via|  ) +(\S.*)")
SECTION = "runtime"


@dataclass
class Package:
    """One package of a lock: its lines as they are, and who wants it."""

    lines: list[str]
    wanted_by: set[str] = field(default_factory=set)


def runtime(requirements: str, lock: str) -> str:
    """The lines of `lock` for the packages of the section `# runtime` and all that these need."""
    packages = read(lock)
    kept = {name for name in roots(requirements) if name in packages}
    missing = roots(requirements) - kept
    if missing:
        raise SystemExit(f"requirements.lock lacks {', '.join(sorted(missing))}: make it anew")
    while more := {name for name, package in packages.items() if name not in kept and package.wanted_by & kept}:
        kept |= more
    return "".join(line for name in packages if name in kept for line in packages[name].lines)


def roots(requirements: str) -> set[str]:
    """The packages that stand in the section `# runtime`, without their extras."""
    section, found = "", set()
    for line in requirements.splitlines():
        if line.startswith("#"):
            section = line.removeprefix("#").strip()
        elif line and section == SECTION:
            found.add(line.partition("[")[0])
    return found


def read(lock: str) -> dict[str, Package]:
    """The packages of a lock by name. Options of the machine that made it (--find-links) are dropped."""
    packages: dict[str, Package] = {}
    package: Package | None = None
    for line in lock.splitlines(keepends=True):
        if pinned := _PINNED.match(line):
            package = packages[pinned[1]] = Package([line])
        elif package and line.startswith(" "):
            package.lines.append(line)
            if via := _VIA.match(line):
                package.wanted_by.add(via[1].strip().partition("[")[0])
    return packages


if __name__ == "__main__":
    sys.stdout.write(runtime(*(Path(name).read_text(encoding="utf-8") for name in sys.argv[1:3])))

"""The Dockerfile as data."""

import re

from tests.unit.deploy.conftest import ROOT


def stages() -> dict[str, tuple[str, list[str]]]:
    """The Dockerfile by stage: what it starts from, and its instructions on one line each."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in re.sub(r"\\\n\s*", "", text).splitlines() if line and not line.startswith("#")]
    found: dict[str, tuple[str, list[str]]] = {}
    for line in lines:
        if match := re.fullmatch(r"FROM (\S+) AS (\S+)", line):
            found[match[2]] = (match[1], [])
        else:
            found[list(found)[-1]][1].append(line)
    return found


def copied(instructions: list[str]) -> list[str]:
    """The paths that are copied from the checkout."""
    copies = [line.split()[1:] for line in instructions if line.startswith("COPY ")]
    return [path for words in copies if not words[0].startswith("--from") for path in words[:-1]]

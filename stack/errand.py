"""Runs a command that the launcher left for later, with the settings that only the launcher knows."""

import json
import os
import subprocess
from pathlib import Path

from stack.child import Command


class NothingRuns(RuntimeError):
    """There is no running installation of this checkout."""


def keep(command: Command, path: Path) -> None:
    """Leaves `command` in a file that only its owner can read: it holds passwords."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"argv": list(map(str, command.argv)), "environment": dict(command.environment)}, file)


def run(path: Path) -> str:
    """What the command says; raises `NothingRuns`."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NothingRuns("nothing runs from this checkout; start it with `make demo` or `make up`") from None
    done = subprocess.run(
        kept["argv"], env=kept["environment"], capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode != 0:
        raise NothingRuns("the registry does not answer; was it killed? Start it again with `make up`")
    return done.stdout

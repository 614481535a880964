"""The command tree, and what every command has in common: exit codes and errors as sentences."""

import os
import sys

from cyclopts import App

from services.console.cli import importing, watching
from services.console.cli.client import Problem
from services.console.cli.output import Exit, say


def command() -> App:
    """All verbs."""
    app = App(name="boothline", help="Watch and feed a running Boothline.", version_flags=[])
    app.command(watching.topics)
    app.command(watching.lag)
    app.command(watching.tail)
    app.command(watching.dead)
    app.command(importing.units)
    app.command(importing.appointments)
    return app


def main() -> None:
    """Run one command and leave with its exit code."""
    try:
        code = command()(result_action="return_value")
    except Problem as problem:
        say(f"boothline: {problem}")
        code = problem.code
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = Exit.FINE
    sys.exit(int(code or 0))

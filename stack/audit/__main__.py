"""`python -m stack.audit SOURCES.json`: audits what runs; exit code 3 when something is found."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from stack.audit.auditing import audit
from stack.audit.notebook import Notebook
from stack.audit.reading.sources import Sources
from stack.audit.table import tell


async def run(sources: Sources, console: Console) -> int:
    """Audit and tell."""
    with tempfile.TemporaryDirectory() as folder, Notebook(Path(folder) / "audit.sqlite") as notebook:
        with console.status("audit") as status:
            result = await audit(sources, notebook, step=lambda what: status.update(f"audit: {what}"))
        tell(result, console)
        return result.exit_code


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m stack.audit", description=__doc__)
    parser.add_argument("sources", type=Path, help="the file that chaos and drill leave in the run folder")
    sys.exit(asyncio.run(run(Sources.read(parser.parse_args().sources), Console())))


if __name__ == "__main__":
    main()

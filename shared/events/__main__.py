"""`python -m shared.events`: write docs/asyncapi.json, and add to the golden corpus what is new in the contract."""

import sys
from pathlib import Path

from shared.events import asyncapi, golden

DOCUMENT = Path(__file__).parents[2] / "docs" / "asyncapi.json"


def main() -> None:
    """Says what it wrote."""
    DOCUMENT.write_bytes(asyncapi.written())
    sys.stdout.write(f"{DOCUMENT.relative_to(Path.cwd())}\n")
    for path in golden.write():
        sys.stdout.write(f"{path.relative_to(Path.cwd())} (new; released records never change again)\n")


if __name__ == "__main__":
    main()

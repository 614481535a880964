"""Named SQL: `-- name: x` starts a statement, comment lines below it are notes on its plan or its locks."""

import re
from collections.abc import Mapping
from pathlib import Path

SQL = Path(__file__).parent.parent / "sql"
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def load_queries(folder: Path = SQL) -> Mapping[str, str]:
    """Every statement of `folder` by name. Raises ValueError when a name comes twice."""
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*.sql")):
        _, *parts = _NAME.split(path.read_text(encoding="utf-8"))
        for name, body in zip(parts[::2], parts[1::2], strict=True):
            if name in found:
                raise ValueError(f"two statements are named {name}")
            found[name] = body.strip().removesuffix(";")
    return found

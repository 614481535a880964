"""The notifier's schema, as plain SQL under Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config


def migrate(url: str, revision: str = "head") -> None:
    """Bring the database at `url` (postgresql://...) to `revision`. Closes its connections. Blocking: call it outside
    a running event loop."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["url"] = url
    command.upgrade(config, revision)

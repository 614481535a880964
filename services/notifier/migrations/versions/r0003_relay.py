"""The relay holds no connection while it publishes, parks what the broker never takes; erasure walks no big table."""

from alembic import op

revision = "0003"
down_revision = "0002"

STATEMENTS = (
    # Who publishes a row has it until then; `parked` says why the broker never takes it.
    "ALTER TABLE outbox ADD COLUMN claimed_until timestamptz, ADD COLUMN parked text",
    # A message keeps whose it is only as long as it is open, so that an erasure by phone looks at few rows.
    "CREATE INDEX message_person ON message (id) WHERE fingerprints <> '{}'",
    "CREATE INDEX telegram_update_of_chat ON telegram_update (chat_id) WHERE payload IS NOT NULL",
)


def upgrade() -> None:
    """Add columns and indexes."""
    for statement in STATEMENTS:
        op.execute(statement)

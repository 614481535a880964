"""A change says in which trace it was made, so that the push to open pages belongs to it."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it: W3C traceparent; NULL for changes that nobody asked for by name."""
    op.execute("ALTER TABLE change ADD COLUMN traceparent text")


def downgrade() -> None:
    """Remove it."""
    op.execute("ALTER TABLE change DROP COLUMN traceparent")

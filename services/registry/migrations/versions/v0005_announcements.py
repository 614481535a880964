"""Announcements to many are written a page at a time, after the appointment was verified."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what is still to be written."""
    op.execute(
        """
        CREATE TABLE announcement ( -- under way: subscribers up to after_person have their messages
            challenge_id uuid PRIMARY KEY REFERENCES challenge,
            organisation_id uuid NOT NULL REFERENCES organisation,
            appointment_id uuid NOT NULL REFERENCES appointment,
            after_person uuid NOT NULL,
            at timestamptz NOT NULL, -- when it was verified: all its messages say so
            traceparent text
        )
        """
    )


def downgrade() -> None:
    """Remove it; what was under way is not announced to the rest."""
    op.execute("DROP TABLE announcement")

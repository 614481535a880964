"""Counts of committees are kept once a statement, not once a row: an import writes many rows of one committee. Indexes
for parked events and for the sweep of deliveries."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_STATEMENTS = (
    "DROP TRIGGER appointment_added ON appointment",
    "DROP TRIGGER appointment_changed ON appointment",
    "DROP FUNCTION recount_appointment",
    # In order, so that two statements on the same committees never wait for each other.
    """
    CREATE FUNCTION recount_added() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM recount_committee(unit_id) FROM (SELECT DISTINCT unit_id FROM added ORDER BY unit_id) counted;
        RETURN NULL;
    END $$
    """,
    """
    CREATE FUNCTION recount_changed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM recount_committee(unit_id) FROM (
            SELECT DISTINCT now.unit_id FROM now JOIN before USING (id)
            WHERE now.state <> before.state OR now.seat <> before.seat ORDER BY now.unit_id
        ) counted;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER appointment_added AFTER INSERT ON appointment REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION recount_added()
    """,
    """
    CREATE TRIGGER appointment_changed AFTER UPDATE ON appointment REFERENCING OLD TABLE AS before NEW TABLE AS now
        FOR EACH STATEMENT EXECUTE FUNCTION recount_changed()
    """,
    "CREATE INDEX outbox_parked ON outbox (id) WHERE refused IS NOT NULL",
    "CREATE INDEX delivery_age ON delivery ((template = 'announcement'), at)",
)


def upgrade() -> None:
    """Replace the triggers."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """There is no way back: the counts are the same, and a newer program needs nothing older."""
    raise NotImplementedError

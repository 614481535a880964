"""Counts of each committee, kept by triggers: a state of 54,000 booths is summed in a moment instead of seconds."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE committee_count ( -- of units with appointments; the rest has nothing to count
        unit_id uuid PRIMARY KEY REFERENCES unit,
        verified smallint NOT NULL DEFAULT 0,
        waiting smallint NOT NULL DEFAULT 0,
        refused smallint NOT NULL DEFAULT 0, -- seats that fell vacant by refusal, lock or expiry and are vacant still
        women smallint NOT NULL DEFAULT 0 -- verified ones
    )
    """,
    # Each statement of the function sees what is committed when it begins. The row is locked before it is counted, so
    # that of two writers on one committee the second counts what the first one left.
    """
    CREATE FUNCTION recount_committee(counted uuid) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO committee_count (unit_id) VALUES (counted) ON CONFLICT DO NOTHING;
        PERFORM FROM committee_count WHERE unit_id = counted FOR UPDATE;
        UPDATE committee_count SET (verified, waiting, refused, women) = (
            SELECT count(*) FILTER (WHERE a.state = 'verified'),
                   count(*) FILTER (WHERE a.state = 'recorded'),
                   count(DISTINCT (a.post, a.seat)) FILTER (
                       WHERE a.state IN ('refused', 'locked', 'expired') AND NOT EXISTS (
                           SELECT FROM appointment b
                           WHERE b.unit_id = counted AND b.post = a.post AND b.seat = a.seat
                             AND b.state IN ('recorded', 'verified'))),
                   count(*) FILTER (WHERE a.state = 'verified' AND person.gender = 'female')
            FROM appointment a JOIN person ON person.id = a.person_id WHERE a.unit_id = counted
        ) WHERE unit_id = counted;
    END $$
    """,
    """
    CREATE FUNCTION recount_appointment() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM recount_committee(NEW.unit_id);
        RETURN NULL;
    END $$
    """,
    """
    CREATE FUNCTION recount_person() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM recount_committee(held.unit_id) FROM (
            SELECT DISTINCT unit_id FROM appointment WHERE person_id = NEW.id AND state = 'verified' ORDER BY unit_id
        ) held;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER appointment_added AFTER INSERT ON appointment
        FOR EACH ROW EXECUTE FUNCTION recount_appointment()
    """,
    """
    CREATE TRIGGER appointment_changed AFTER UPDATE ON appointment
        FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state OR OLD.seat IS DISTINCT FROM NEW.seat)
        EXECUTE FUNCTION recount_appointment()
    """,
    """
    CREATE TRIGGER person_changed AFTER UPDATE ON person
        FOR EACH ROW WHEN (OLD.gender IS DISTINCT FROM NEW.gender) EXECUTE FUNCTION recount_person()
    """,
    "SELECT recount_committee(unit_id) FROM (SELECT DISTINCT unit_id FROM appointment ORDER BY unit_id) held",
)


def upgrade() -> None:
    """Add the counts, and count what is there."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop the counts."""
    op.execute("DROP TRIGGER appointment_added ON appointment")
    op.execute("DROP TRIGGER appointment_changed ON appointment")
    op.execute("DROP TRIGGER person_changed ON person")
    op.execute("DROP FUNCTION recount_appointment, recount_person, recount_committee")
    op.execute("DROP TABLE committee_count")

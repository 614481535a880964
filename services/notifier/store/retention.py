"""What is deleted when."""

from datetime import datetime, timedelta

from services.notifier.store.database import Database

KEPT = timedelta(days=7)
"""As long as the topics keep records: an ephemeral broker's contents are stated again from here (decision 22)."""
INBOX_KEPT = timedelta(days=60)
"""Messages and replies are their own inbox: longer than topics and dead letters together (37 days, decision 17)."""
RECEIPTS_KEPT = timedelta(days=30)
SEALED_KEPT = timedelta(days=1)
"""Phones of answers that were never sent, contacts of invitations that are decided: nobody needs them longer."""
AT_ONCE = 5_000
"""Rows a statement: a sweep never holds locks for long."""

SWEEPS = (
    ("DELETE FROM outbox WHERE id IN "
     "(SELECT id FROM outbox WHERE (published_at IS NOT NULL OR parked IS NOT NULL) AND created_at < $1 LIMIT $2)",
     KEPT),
    ("DELETE FROM message WHERE id IN (SELECT id FROM message WHERE created_at < $1 LIMIT $2)", INBOX_KEPT),
    ("DELETE FROM receipt WHERE ctid IN (SELECT ctid FROM receipt WHERE received_at < $1 LIMIT $2)", RECEIPTS_KEPT),
    ("DELETE FROM inbound_sms WHERE ctid IN "
     "(SELECT ctid FROM inbound_sms WHERE received_at < $1 LIMIT $2)", INBOX_KEPT),
    ("DELETE FROM invitation WHERE challenge_id IN "
     "(SELECT challenge_id FROM invitation WHERE changed_at < $1 LIMIT $2)", INBOX_KEPT),
    ("DELETE FROM erased WHERE ctid IN (SELECT ctid FROM erased WHERE erased_at < $1 LIMIT $2)", INBOX_KEPT),
    ("UPDATE message SET secrets = NULL, contact = NULL WHERE id IN (SELECT id FROM message "
     "WHERE state = 'unknown' AND created_at < $1 AND contact IS NOT NULL LIMIT $2)", SEALED_KEPT),
    ("UPDATE inbound_sms SET phone = NULL, payload = NULL WHERE ctid IN (SELECT ctid FROM inbound_sms "
     "WHERE received_at < $1 AND (phone IS NOT NULL OR payload IS NOT NULL) LIMIT $2)", SEALED_KEPT),
    ("UPDATE invitation SET contact = NULL, about = NULL WHERE challenge_id IN (SELECT challenge_id FROM invitation "
     "WHERE state <> 'open' AND changed_at < $1 AND contact IS NOT NULL LIMIT $2)", SEALED_KEPT),
)  # fmt: skip


class Retention:
    """The housekeeping of the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sweep(self, now: datetime) -> int:
        """Delete what is over; returns the rows touched (at most AT_ONCE for each rule)."""
        touched = 0
        for statement, kept in SWEEPS:
            async with self._database.connection() as db:
                status = await db.execute(statement, now - kept, AT_ONCE)
            touched += int(str(status).rpartition(" ")[2])
        return touched

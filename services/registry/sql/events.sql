-- Outbox, broker, housekeeping.

-- name: add_event
INSERT INTO outbox (event_id, organisation_id, urgent, topic, key, value, headers, person_ids, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (event_id) DO NOTHING;

-- name: lock_relay
-- One relay publishes at a time; the next one goes on when its session ends, also by a kill. Not by row locks: they
-- give a transaction a number, and while the broker is slow that would hide later changes from open pages.
SELECT pg_advisory_lock(hashtextextended('relay', 0));

-- name: unlock_relay
SELECT pg_advisory_unlock(hashtextextended('relay', 0));

-- name: claim_events
-- Urgent ones first, so that a big audience delays no code.
SELECT id, topic, key, value, headers, created_at FROM outbox
WHERE published_at IS NULL ORDER BY urgent DESC, id LIMIT $1;

-- name: mark_published
UPDATE outbox SET published_at = $2 WHERE id = ANY($1::bigint[]);

-- name: mark_refused
UPDATE outbox SET published_at = $2, refused = $3 WHERE id = $1;

-- name: outbox_age
-- Parked ones are few, and found by their own index.
SELECT count(*) AS waiting, min(created_at) AS oldest,
       (SELECT count(*) FROM outbox WHERE refused IS NOT NULL) AS parked
FROM (SELECT created_at FROM outbox WHERE published_at IS NULL LIMIT 100000) w;

-- name: publish_again
UPDATE outbox SET published_at = NULL WHERE published_at IS NOT NULL AND created_at >= $1 AND refused IS NULL;

-- name: forget_events
DELETE FROM outbox WHERE $1 = ANY(person_ids);

-- name: lock_cluster
SELECT pg_advisory_xact_lock(hashtextextended('cluster', 0));

-- name: cluster
SELECT cluster_id FROM cluster;

-- name: see_cluster
INSERT INTO cluster (cluster_id, seen_at) VALUES ($1, $2)
ON CONFLICT (one) DO UPDATE SET cluster_id = excluded.cluster_id, seen_at = excluded.seen_at;

-- name: sweep_outbox
-- Parked ones stay until somebody has seen to them.
DELETE FROM outbox WHERE published_at < $1 AND refused IS NULL;

-- name: sweep_idempotency
DELETE FROM idempotency WHERE created_at < $1;

-- name: sweep_changes
DELETE FROM change WHERE at < $1;

-- name: sweep_sign_ins
DELETE FROM sign_in WHERE expires_at < $1;

-- name: sweep_sessions
DELETE FROM session WHERE expires_at < $1;

-- name: sweep_rejects
DELETE FROM import_reject r USING import_job j WHERE j.id = r.job_id AND j.created_at < $1;

-- name: sweep_deliveries
-- $1: of messages to appointees, $2: of announcements. The course stays in the timeline.
DELETE FROM delivery
WHERE ((template = 'announcement') IS FALSE AND at < $1) OR ((template = 'announcement') IS TRUE AND at < $2);

-- name: probe
SELECT 1;

-- Appointments, seats, challenges, timeline, deliveries, changes.

-- name: free_seats
SELECT ordinal FROM generate_series(1, $3::int) AS ordinal
WHERE NOT EXISTS (
    SELECT FROM appointment a
    WHERE a.unit_id = $1 AND a.post = $2 AND a.seat = ordinal AND a.state IN ('recorded', 'verified')
)
ORDER BY ordinal <> $4, ordinal;

-- name: save
UPDATE appointment SET
    seat = $2, contact_id = $3, state = $4, state_at = $5, cycle = $6, version = $7, invited_at = $8, not_after = $9,
    verified_at = $10, verified_via = coalesce($11, verified_via), verified_notice = coalesce($12, verified_notice),
    name_consent = $13, ended_at = $14, ended_reason = $15
WHERE id = $1;

-- name: appointment_locked
SELECT * FROM appointment WHERE id = $2 AND organisation_id = $1 FOR UPDATE;

-- name: appointment
SELECT * FROM appointment WHERE id = $2 AND organisation_id = $1;

-- name: seat_holder
SELECT id FROM appointment WHERE unit_id = $1 AND post = $2 AND state IN ('recorded', 'verified') ORDER BY seat LIMIT 1;

-- name: of_person
SELECT * FROM appointment WHERE person_id = $1 ORDER BY id FOR UPDATE;

-- name: open_challenge
INSERT INTO challenge (id, organisation_id, appointment_id, cycle, contact_id, at) VALUES ($1, $2, $3, $4, $5, $6);

-- name: hear
UPDATE challenge SET version = $2, state = $3, at = $4 WHERE id = $1 AND version < $2 RETURNING id;

-- name: challenge_contact
SELECT contact_id FROM challenge WHERE id = $1;

-- name: note
-- One round trip for both: a person waits.
WITH entry AS (
    INSERT INTO timeline (organisation_id, appointment_id, cycle, kind, at, details) VALUES ($1, $2, $3, $4, $5, $6)
)
INSERT INTO change (organisation_id, unit_id, appointment_id, kind, at, traceparent) VALUES ($1, $7, $2, $4, $5, $8);

-- name: change
INSERT INTO change (organisation_id, unit_id, appointment_id, kind, at) VALUES ($1, $2, $3, $4, $5);

-- name: timeline
SELECT kind, at, cycle, details FROM timeline WHERE appointment_id = $1 ORDER BY at, id;

-- name: deliveries
SELECT message_id, template, channel, provider, state, reason, falls_back, attempt, parts, cycle, at
FROM delivery WHERE appointment_id = $1 AND lane = 'urgent' ORDER BY at;

-- name: announcement_counts
SELECT channel, state, count(*) AS messages FROM delivery
WHERE appointment_id = $1 AND lane = 'bulk' GROUP BY channel, state ORDER BY channel, state;

-- name: state_delivery
-- The WHERE makes a version that is known already, or an older one, change nothing: no row comes back.
INSERT INTO delivery (
    message_id, organisation_id, appointment_id, cycle, challenge_id, unit_id, lane, template, channel, provider,
    state, reason, falls_back, attempt, parts, version, at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
ON CONFLICT (message_id) DO UPDATE SET
    channel = excluded.channel, provider = excluded.provider, state = excluded.state, reason = excluded.reason,
    falls_back = excluded.falls_back, attempt = excluded.attempt, parts = coalesce(excluded.parts, delivery.parts),
    version = excluded.version, at = excluded.at
WHERE delivery.version < excluded.version
RETURNING message_id;

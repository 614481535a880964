-- Appointments, seats, challenges, timeline, deliveries, changes.

-- name: free_seats
SELECT ordinal FROM generate_series(1, $3::int) AS ordinal
WHERE NOT EXISTS (
    SELECT FROM appointment a
    WHERE a.unit_id = $1 AND a.post = $2 AND a.seat = ordinal AND a.state IN ('recorded', 'verified')
)
ORDER BY ordinal <> $4, ordinal;

-- name: save_all
UPDATE appointment SET
    seat = new.seat, contact_id = new.contact_id, state = new.state, state_at = new.state_at, cycle = new.cycle,
    version = new.version, invited_at = new.invited_at, not_after = new.not_after, verified_at = new.verified_at,
    verified_via = coalesce(new.verified_via, appointment.verified_via),
    verified_notice = coalesce(new.verified_notice, appointment.verified_notice), name_consent = new.name_consent,
    ended_at = new.ended_at, ended_reason = new.ended_reason
FROM jsonb_to_recordset($1) AS new (
    id uuid, seat smallint, contact_id uuid, state text, state_at timestamptz, cycle int, version int,
    invited_at timestamptz, not_after timestamptz, verified_at timestamptz, verified_via text, verified_notice jsonb,
    name_consent jsonb, ended_at timestamptz, ended_reason text
)
WHERE appointment.id = new.id;

-- name: appointment_locked
SELECT * FROM appointment WHERE id = $2 AND organisation_id = $1 FOR UPDATE;

-- name: appointment
SELECT * FROM appointment WHERE id = $2 AND organisation_id = $1;

-- name: appointments_locked
-- In order, so that two of these never wait for each other.
SELECT a.* FROM unnest($1::uuid[], $2::uuid[]) AS asked (organisation_id, id)
JOIN appointment a ON a.id = asked.id AND a.organisation_id = asked.organisation_id
ORDER BY a.id FOR UPDATE OF a;

-- name: seat_holder
SELECT id FROM appointment WHERE unit_id = $1 AND post = $2 AND state IN ('recorded', 'verified') ORDER BY seat LIMIT 1;

-- name: of_person
SELECT * FROM appointment WHERE person_id = $1 ORDER BY id FOR UPDATE;

-- name: open_challenge
INSERT INTO challenge (id, organisation_id, appointment_id, cycle, contact_id, at) VALUES ($1, $2, $3, $4, $5, $6);

-- name: challenge_contact
SELECT contact_id FROM challenge WHERE id = $1;

-- name: note_all
-- One round trip for both: a person waits.
WITH noted AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset($1) AS noted (
        organisation_id uuid, appointment_id uuid, unit_id uuid, cycle int, kind text, at timestamptz, details jsonb,
        traceparent text
    )
), entry AS (
    INSERT INTO timeline (organisation_id, appointment_id, cycle, kind, at, details)
    SELECT organisation_id, appointment_id, cycle, kind, at, details FROM noted
)
INSERT INTO change (organisation_id, unit_id, appointment_id, kind, at, traceparent)
SELECT organisation_id, unit_id, appointment_id, kind, at, traceparent FROM noted;

-- name: change
INSERT INTO change (organisation_id, unit_id, appointment_id, kind, at) VALUES ($1, $2, $3, $4, $5);

-- name: timeline
SELECT kind, at, cycle, details FROM timeline WHERE appointment_id = $1 ORDER BY at, id;

-- name: deliveries
SELECT message_id, template, channel, provider, state, reason, falls_back, attempt, parts, cycle, at
FROM delivery WHERE appointment_id = $1 AND template <> 'announcement' ORDER BY at;

-- name: announcement_counts
SELECT channel, state, count(*) AS messages FROM delivery
WHERE appointment_id = $1 AND template = 'announcement' GROUP BY channel, state ORDER BY channel, state;

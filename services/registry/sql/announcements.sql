-- Announcements under way.

-- name: keep_announcement
INSERT INTO announcement (challenge_id, organisation_id, appointment_id, after_person, at, traceparent)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (challenge_id) DO UPDATE SET after_person = excluded.after_person;

-- name: claim_announcement
-- The oldest first: who was verified first is announced first.
SELECT challenge_id, organisation_id, appointment_id, after_person, at, traceparent FROM announcement
ORDER BY at LIMIT 1 FOR UPDATE SKIP LOCKED;

-- name: end_announcement
DELETE FROM announcement WHERE challenge_id = $1;

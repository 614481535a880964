-- Reads of the portal. Each page is a few of these in one REPEATABLE READ transaction, so that the cursor of `change`
-- belongs to what the page shows.

-- name: portal_newest_change
-- The newest change that no earlier transaction can still precede.
SELECT change.tx::text AS tx, id FROM change
WHERE change.tx < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY change.tx DESC, id DESC LIMIT 1;

-- name: portal_changes
SELECT change.tx::text AS tx, change.id, change.organisation_id, unit_id, appointment_id, kind, at, traceparent
FROM change
WHERE (change.tx, change.id) > ($1::text::xid8, $2) AND change.tx < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY change.tx, change.id LIMIT $3;

-- name: portal_oldest_change
SELECT change.tx::text AS tx, id FROM change ORDER BY change.tx, id LIMIT 1;

-- name: portal_organisation
SELECT name_hi, name_en FROM organisation WHERE id = $1;

-- name: portal_unit
-- A unit by code, if it lies in the scope ($3; NULL: everywhere).
SELECT unit.id, unit.level, level.name_hi AS level_hi, level.name_en AS level_en, unit.code, unit.number, unit.name_hi,
       unit.name_en, EXISTS (SELECT FROM post WHERE post.organisation_id = $1 AND post.level = unit.level) AS has_committee
FROM unit JOIN level ON level.organisation_id = unit.organisation_id AND level.code = unit.level
WHERE unit.organisation_id = $1 AND unit.code = $2
  AND ($3::uuid IS NULL OR EXISTS (SELECT FROM lineage WHERE unit_id = unit.id AND above_id = $3));

-- name: portal_above
-- The units above, from the top, inside the scope.
SELECT unit.id, unit.level, level.name_hi AS level_hi, level.name_en AS level_en, unit.code, unit.number, unit.name_hi,
       unit.name_en, false AS has_committee
FROM lineage
JOIN unit ON unit.id = lineage.above_id
JOIN level ON level.organisation_id = unit.organisation_id AND level.code = unit.level
WHERE lineage.unit_id = $1 AND distance > 0
  AND ($2::uuid IS NULL OR EXISTS (SELECT FROM lineage inside WHERE inside.unit_id = unit.id AND inside.above_id = $2))
ORDER BY distance DESC;

-- name: portal_seats
-- Every seat of these units with its holder, else with the last who refused, was locked or let it run out; and the
-- invitation's delivery that says most. Planner: appointment_unit, then a handful of rows a seat.
SELECT unit.id AS unit_id, post.code AS post, post.name_hi AS post_hi, post.name_en AS post_en, post.seats AS of_seats,
       ordinal, held.id AS appointment_id, held.state, held.state_at, held.mode, person.name_hi AS person_hi,
       person.name_en AS person_en, person.gender, sent.state AS delivery, sent.reason, sent.at AS delivery_at
FROM unit
JOIN post ON post.organisation_id = unit.organisation_id AND post.level = unit.level
CROSS JOIN LATERAL generate_series(1, post.seats) AS ordinal
LEFT JOIN LATERAL (
    SELECT * FROM appointment
    WHERE unit_id = unit.id AND appointment.post = post.code AND seat = ordinal AND state <> 'ended'
    ORDER BY state IN ('recorded', 'verified') DESC, recorded_at DESC LIMIT 1
) held ON true
LEFT JOIN person ON person.id = held.person_id
LEFT JOIN LATERAL (
    SELECT * FROM delivery
    WHERE delivery.appointment_id = held.id AND delivery.cycle = held.cycle AND template = 'invitation' AND NOT falls_back
    ORDER BY delivery.state = 'delivered' DESC, attempt DESC, at DESC LIMIT 1
) sent ON held.state = 'recorded'
WHERE unit.id = ANY($1::uuid[])
ORDER BY unit.id, post.position, post.code, ordinal;

-- name: portal_women_minimum
SELECT minimum FROM rule JOIN unit USING (organisation_id, level) WHERE unit.id = $1 AND kind = 'women';

-- name: portal_coverage
-- The units directly below $2 (NULL: those without a parent), worst first, with the counts of all committees below each
-- and the sums over all of them. $3 and $4: rows of a page, and how many come before it.
WITH child AS MATERIALIZED (
    SELECT unit_id AS id FROM placement
    WHERE parent_id = $2 AND tree = 'organisation' AND valid_to IS NULL
    UNION ALL
    SELECT unit_id FROM placement
    WHERE $2::uuid IS NULL AND parent_id IS NULL AND tree = 'organisation' AND valid_to IS NULL AND organisation_id = $1
), size AS MATERIALIZED (
    SELECT post.level, sum(seats) AS seats, coalesce(max(rule.minimum), 0) AS women
    FROM post LEFT JOIN rule ON rule.organisation_id = post.organisation_id AND rule.level = post.level
    WHERE post.organisation_id = $1 GROUP BY post.level, rule.minimum
), summed AS (
    SELECT child.id AS child, sum(size.seats) AS size, sum(kept.verified) AS verified, sum(kept.waiting) AS waiting,
           sum(kept.refused) AS refused, count(*) AS committees,
           count(*) FILTER (WHERE kept.verified = size.seats AND kept.women >= size.women) AS complete
    FROM child
    JOIN lineage ON lineage.above_id = child.id
    JOIN unit ON unit.id = lineage.unit_id
    JOIN size ON size.level = unit.level
    LEFT JOIN committee_count kept ON kept.unit_id = unit.id
    GROUP BY child.id
), ranked AS (
    SELECT child.id, coalesce(size, 0) AS size, coalesce(verified, 0) AS verified, coalesce(waiting, 0) AS waiting,
           coalesce(refused, 0) AS refused, coalesce(committees, 0) AS committees, coalesce(complete, 0) AS complete
    FROM child LEFT JOIN summed ON summed.child = child.id
)
SELECT unit.id, unit.level, level.name_hi AS level_hi, level.name_en AS level_en, unit.code, unit.number, unit.name_hi,
       unit.name_en, size.level IS NOT NULL AS has_committee,
       ranked.size::int, ranked.verified::int, ranked.waiting::int, ranked.refused::int, ranked.committees::int,
       ranked.complete::int,
       NOT EXISTS (SELECT FROM placement below WHERE below.parent_id = unit.id AND below.tree = 'organisation'
                   AND below.valid_to IS NULL) AS leaf,
       count(*) OVER ()::int AS total,
       (sum(ranked.size) OVER ())::int AS all_size, (sum(ranked.verified) OVER ())::int AS all_verified,
       (sum(ranked.waiting) OVER ())::int AS all_waiting, (sum(ranked.refused) OVER ())::int AS all_refused,
       (sum(ranked.committees) OVER ())::int AS all_committees, (sum(ranked.complete) OVER ())::int AS all_complete
FROM ranked
JOIN unit ON unit.id = ranked.id
JOIN level ON level.organisation_id = unit.organisation_id AND level.code = unit.level
LEFT JOIN size ON size.level = unit.level
ORDER BY ranked.verified::float8 / greatest(ranked.size, 1), unit.position, unit.code
LIMIT $3 OFFSET $4;

-- name: portal_towards
-- The children of $2 (NULL: units without a parent) that these units lie under, or are.
SELECT DISTINCT lineage.above_id AS child
FROM lineage JOIN placement ON placement.unit_id = lineage.above_id
WHERE lineage.unit_id = ANY($1::uuid[]) AND placement.tree = 'organisation' AND placement.valid_to IS NULL
  AND placement.parent_id IS NOT DISTINCT FROM $2;

-- name: portal_ancestry
SELECT unit_id, above_id FROM lineage WHERE unit_id = ANY($1::uuid[]);

-- name: portal_unit_by_id
SELECT unit.id, unit.level, level.name_hi AS level_hi, level.name_en AS level_en, unit.code, unit.number, unit.name_hi,
       unit.name_en
FROM unit JOIN level ON level.organisation_id = unit.organisation_id AND level.code = unit.level
WHERE unit.id = $1;

-- name: portal_post
SELECT code, name_hi, name_en, seats FROM post WHERE organisation_id = $1 AND level = $2 AND code = $3;

-- name: portal_appointment
SELECT appointment.id AS appointment_id, unit.id, unit.level, level.name_hi AS level_hi, level.name_en AS level_en,
       unit.code, unit.number, unit.name_hi, unit.name_en, appointment.post, post.name_hi AS post_hi,
       post.name_en AS post_en, post.seats AS of_seats, appointment.seat, person.name_hi AS person_hi,
       person.name_en AS person_en, contact.phone_last3, appointment.state, appointment.state_at, appointment.cycle,
       appointment.version, appointment.mode, appointment.language, appointment.recorder, appointment.recorded_at,
       appointment.not_after, appointment.verified_at, appointment.name_consent, appointment.notice_version,
       appointment.notice_language, appointment.ended_reason,
       EXISTS (SELECT FROM appointment other WHERE other.unit_id = unit.id AND other.post = appointment.post
               AND other.seat = appointment.seat AND other.state IN ('recorded', 'verified')) AS seat_held
FROM appointment
JOIN person ON person.id = appointment.person_id
LEFT JOIN contact ON contact.id = appointment.contact_id
JOIN unit ON unit.id = appointment.unit_id
JOIN level ON level.organisation_id = unit.organisation_id AND level.code = unit.level
JOIN post ON post.organisation_id = appointment.organisation_id AND post.level = appointment.level
         AND post.code = appointment.post
WHERE appointment.id = $1 AND appointment.organisation_id = $2
  AND ($3::uuid IS NULL OR EXISTS (SELECT FROM lineage WHERE lineage.unit_id = unit.id AND above_id = $3));

-- name: portal_import
-- $3: of this account only; NULL: of the whole organisation.
SELECT EXISTS (
    SELECT FROM import_job WHERE id = $2 AND organisation_id = $1 AND ($3::uuid IS NULL OR account_id = $3)
);

-- name: portal_timeline
SELECT kind, at, cycle, details FROM timeline WHERE appointment_id = $1 ORDER BY at, id;

-- name: portal_seats_of
-- Which seats these appointments stand on.
SELECT post, seat FROM appointment WHERE id = ANY($1::uuid[]);

-- name: portal_sessions_alive
-- Of these sessions those that are alive; does not prolong them.
SELECT token_hash FROM session JOIN account ON account.id = session.account_id
WHERE token_hash = ANY($1::bytea[]) AND expires_at > $2 AND closed_at IS NULL;

-- name: portal_session
-- Whose session this is; does not prolong it.
SELECT account.id, account.organisation_id, account.name, account.unit_id, account.permissions
FROM session JOIN account ON account.id = session.account_id
WHERE token_hash = $1 AND expires_at > $2 AND closed_at IS NULL;

-- name: portal_roots
SELECT unit.code FROM placement JOIN unit ON unit.id = placement.unit_id
WHERE placement.organisation_id = $1 AND tree = 'organisation' AND valid_to IS NULL
  AND CASE WHEN $2::uuid IS NULL THEN parent_id IS NULL ELSE unit.id = $2 END
LIMIT 2;

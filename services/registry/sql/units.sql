-- Organisation, catalogue, tree, channels.

-- name: organisation
SELECT id, name_hi, name_en, language, preset FROM organisation WHERE id = $1;

-- name: add_organisation
INSERT INTO organisation (id, code, name_hi, name_en, language, preset, created_at)
VALUES ($1, $2, $3, $4, $5, $2, $6) ON CONFLICT (id) DO NOTHING;

-- name: add_level
INSERT INTO level (organisation_id, code, rank, name_hi, name_en) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING;

-- name: add_post
INSERT INTO post (organisation_id, level, code, name_hi, name_en, seats, position)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING;

-- name: add_rule
INSERT INTO rule (organisation_id, level, kind, minimum) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING;

-- name: levels
SELECT code, name_hi, name_en FROM level WHERE organisation_id = $1 ORDER BY rank;

-- name: unit_by_code
-- Codes are compared without case: people type them.
SELECT u.id, u.level, u.code, u.number, u.name_hi, u.name_en, l.name_hi AS level_hi, l.name_en AS level_en,
       p.number AS parent_number, p.name_hi AS parent_hi, p.name_en AS parent_en,
       pl.name_hi AS parent_level_hi, pl.name_en AS parent_level_en
FROM unit u
JOIN level l ON l.organisation_id = u.organisation_id AND l.code = u.level
LEFT JOIN lineage up ON up.unit_id = u.id AND up.distance = 1
LEFT JOIN unit p ON p.id = up.above_id
LEFT JOIN level pl ON pl.organisation_id = p.organisation_id AND pl.code = p.level
WHERE u.organisation_id = $1 AND u.code IN ($2, lower($2), upper($2))
ORDER BY u.code <> $2 LIMIT 1;

-- name: unit_by_id
SELECT u.id, u.level, u.code, u.number, u.name_hi, u.name_en, l.name_hi AS level_hi, l.name_en AS level_en,
       p.number AS parent_number, p.name_hi AS parent_hi, p.name_en AS parent_en,
       pl.name_hi AS parent_level_hi, pl.name_en AS parent_level_en
FROM unit u
JOIN level l ON l.organisation_id = u.organisation_id AND l.code = u.level
LEFT JOIN lineage up ON up.unit_id = u.id AND up.distance = 1
LEFT JOIN unit p ON p.id = up.above_id
LEFT JOIN level pl ON pl.organisation_id = p.organisation_id AND pl.code = p.level
WHERE u.id = $1;

-- name: within
SELECT EXISTS (SELECT FROM lineage WHERE unit_id = $1 AND above_id = $2);

-- name: posts
SELECT level, code, name_hi, name_en, seats FROM post WHERE organisation_id = $1 AND level = $2 ORDER BY position;

-- name: rule
SELECT minimum FROM rule WHERE organisation_id = $1 AND level = $2 AND kind = $3;

-- name: seats
SELECT a.post, a.seat, a.id, a.state, a.state_at, p.gender, p.name_hi, p.name_en
FROM appointment a JOIN person p ON p.id = a.person_id
WHERE a.unit_id = $1 AND a.state IN ('recorded', 'verified') ORDER BY a.post, a.seat;

-- name: search_units
-- $2 start of code or NULL, $3 parent code or NULL, $4 level or NULL, $5 after this code, $6 limit, $7 scope or NULL.
SELECT u.id, u.level, u.code, u.number, u.name_hi, u.name_en, l.name_hi AS level_hi, l.name_en AS level_en,
       p.code AS parent_code, p.number AS parent_number, p.name_hi AS parent_hi, p.name_en AS parent_en,
       pl.name_hi AS parent_level_hi, pl.name_en AS parent_level_en,
       coalesce((SELECT sum(seats) FROM post WHERE post.organisation_id = u.organisation_id AND post.level = u.level), 0)
           AS seats,
       c.held, c.verified
FROM unit u
JOIN level l ON l.organisation_id = u.organisation_id AND l.code = u.level
LEFT JOIN lineage up ON up.unit_id = u.id AND up.distance = 1
LEFT JOIN unit p ON p.id = up.above_id
LEFT JOIN level pl ON pl.organisation_id = p.organisation_id AND pl.code = p.level
CROSS JOIN LATERAL (
    SELECT count(*) AS held, count(*) FILTER (WHERE a.state = 'verified') AS verified
    FROM appointment a WHERE a.unit_id = u.id AND a.state IN ('recorded', 'verified')
) c
WHERE u.organisation_id = $1
  AND ($2::text IS NULL OR u.code LIKE $2)
  AND ($3::text IS NULL OR p.code = $3)
  AND ($4::text IS NULL OR u.level = $4)
  AND ($5::text IS NULL OR u.code > $5)
  AND ($7::uuid IS NULL OR EXISTS (SELECT FROM lineage s WHERE s.unit_id = u.id AND s.above_id = $7))
ORDER BY u.code LIMIT $6;

-- name: set_channel
INSERT INTO unit_channel (unit_id, organisation_id, chat_id, set_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (unit_id) DO UPDATE SET chat_id = excluded.chat_id, set_at = excluded.set_at;

-- name: forget_channel
DELETE FROM unit_channel WHERE unit_id = $1;

-- name: nearest_channel
SELECT c.unit_id, c.chat_id FROM lineage l JOIN unit_channel c ON c.unit_id = l.above_id
WHERE l.unit_id = $1 ORDER BY l.distance LIMIT 1;

-- name: known_codes
SELECT u.code, u.id, u.level, u.name_hi, u.name_en, u.created_at,
       ARRAY(SELECT above_id FROM lineage l WHERE l.unit_id = u.id ORDER BY distance) AS above
FROM unit u
WHERE u.organisation_id = $1 AND u.code = ANY($2::text[]);

-- name: rename_unit
UPDATE unit SET name_hi = coalesce($2, name_hi), name_en = coalesce($3, name_en), number = coalesce($4, number)
WHERE id = $1;

-- name: import_lock
-- One unit import of an organisation at a time writes: two could place one unit under two parents. Plans are made
-- anew: one that was made while the tables were empty reads them whole ever after.
SELECT pg_advisory_xact_lock(hashtextextended('units:' || $1::uuid::text, 0)),
       set_config('plan_cache_mode', 'force_custom_plan', true);

-- Persons, their phones, their subscriptions.

-- name: lock_phone
-- Serialises everybody who looks this phone up in order to record it: two at once must find one person, not make two.
SELECT pg_advisory_xact_lock(hashtextextended($1, 0));

-- name: lock_phones_of
SELECT pg_advisory_xact_lock(hashtextextended(fingerprint, 0)) FROM (
    SELECT f.fingerprint FROM contact c JOIN contact_fingerprint f ON f.contact_id = c.id
    WHERE c.person_id = $1 ORDER BY f.fingerprint
) held;

-- name: holders
SELECT DISTINCT ON (p.id) p.id AS person_id, p.name_hi, p.name_en, c.id, c.phone_kid, c.phone_box, c.phone_last3
FROM contact_fingerprint f
JOIN contact c ON c.id = f.contact_id
JOIN person p ON p.id = c.person_id
WHERE f.fingerprint = ANY($2::text[]) AND p.organisation_id = $1 AND p.erased_at IS NULL
ORDER BY p.id, c.created_at DESC;

-- name: add_person
INSERT INTO person (id, organisation_id, name_hi, name_en, gender, language, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: add_contact
WITH added AS (
    INSERT INTO contact (id, organisation_id, person_id, phone_kid, phone_box, phone_last3, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
)
INSERT INTO contact_fingerprint (contact_id, kid, fingerprint)
SELECT $1, kid, fingerprint FROM unnest($8::text[], $9::text[]) AS f (kid, fingerprint);

-- name: complete_person
-- Touches no row when nothing is new: an update of a person locks the counts of their committees.
UPDATE person SET name_hi = coalesce(name_hi, $2), name_en = coalesce(name_en, $3), gender = coalesce(gender, $4)
WHERE id = $1 AND ((name_hi IS NULL AND $2::text IS NOT NULL) OR (name_en IS NULL AND $3::text IS NOT NULL)
    OR (gender IS NULL AND $4::text IS NOT NULL));

-- name: holder
SELECT p.id AS person_id, p.name_hi, p.name_en, p.language, c.id, c.phone_kid, c.phone_box, c.phone_last3
FROM person p JOIN contact c ON c.person_id = p.id
WHERE p.id = $1 AND c.id = $2 AND p.erased_at IS NULL;

-- name: subscribe
INSERT INTO subscription (unit_id, person_id, organisation_id, contact_id, created_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (unit_id, person_id) DO UPDATE SET contact_id = excluded.contact_id;

-- name: unsubscribe
DELETE FROM subscription WHERE unit_id = $1 AND person_id = ANY($2::uuid[]) RETURNING person_id;

-- name: audience
SELECT DISTINCT ON (p.id) p.id AS person_id, p.name_hi, p.name_en, p.language,
       c.id, c.phone_kid, c.phone_box, c.phone_last3
FROM lineage l
JOIN subscription s ON s.unit_id = l.above_id
JOIN person p ON p.id = s.person_id AND p.erased_at IS NULL
JOIN contact c ON c.id = s.contact_id
WHERE l.unit_id = $1 AND p.id <> $2 AND p.id > $3
ORDER BY p.id, l.distance LIMIT $4;

-- name: audience_size
SELECT count(DISTINCT p.id)
FROM lineage l
JOIN subscription s ON s.unit_id = l.above_id
JOIN person p ON p.id = s.person_id AND p.erased_at IS NULL
WHERE l.unit_id = $1 AND p.id <> $2;

-- name: person_exists
SELECT EXISTS (SELECT FROM person WHERE id = $2 AND organisation_id = $1 AND erased_at IS NULL);

-- name: fingerprints_of
-- Only of phones that no other person holds.
SELECT f.contact_id, f.kid, f.fingerprint
FROM contact c JOIN contact_fingerprint f ON f.contact_id = c.id
WHERE c.person_id = $1 AND NOT EXISTS (
    SELECT FROM contact_fingerprint o JOIN contact oc ON oc.id = o.contact_id
    WHERE o.fingerprint = f.fingerprint AND oc.person_id <> $1
)
ORDER BY f.contact_id, f.kid;

-- name: fingerprints_at
SELECT contact_id, kid, fingerprint FROM contact_fingerprint WHERE contact_id = ANY($1::uuid[]) ORDER BY contact_id, kid;

-- name: unlink_contacts
UPDATE appointment SET contact_id = NULL WHERE person_id = $1;

-- name: unlink_challenges
UPDATE challenge SET contact_id = NULL WHERE contact_id IN (SELECT id FROM contact WHERE person_id = $1);

-- name: forget_subscriptions
DELETE FROM subscription WHERE person_id = $1;

-- name: forget_contacts
DELETE FROM contact WHERE person_id = $1;

-- name: forget_person
UPDATE person SET name_hi = NULL, name_en = NULL, gender = NULL, erased_at = $2 WHERE id = $1;

-- name: contacts_without_fingerprint
SELECT c.id, c.person_id, c.phone_kid, c.phone_box, c.phone_last3 FROM contact c
WHERE NOT EXISTS (SELECT FROM contact_fingerprint f WHERE f.contact_id = c.id AND f.kid = $1) LIMIT $2
FOR UPDATE OF c SKIP LOCKED;

-- name: add_fingerprint
INSERT INTO contact_fingerprint (contact_id, kid, fingerprint) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING;

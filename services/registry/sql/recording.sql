-- Recording many appointments at once. Arrays run in parallel: one element for each recording.

-- name: lock_phones
-- Serialises everybody who looks these phones up in order to record them: two at once must find one person, not make
-- two. In order, so that two of these never wait for each other.
SELECT pg_advisory_xact_lock(hashtextextended(fingerprint, 0)) FROM (
    SELECT fingerprint FROM unnest($1::text[]) AS f (fingerprint) ORDER BY fingerprint
) held;

-- name: sites
-- $4: the recorder's part of the organisation, NULL: all of it. Codes are compared without case: people type them.
SELECT asked.number::int, u.id, u.level, u.code, u.number AS unit_number, u.name_hi, u.name_en,
       l.name_hi AS level_hi, l.name_en AS level_en, p.number AS parent_number, p.name_hi AS parent_hi,
       p.name_en AS parent_en, pl.name_hi AS parent_level_hi, pl.name_en AS parent_level_en,
       o.id AS organisation_id, o.name_hi AS organisation_hi, o.name_en AS organisation_en, o.language, o.preset,
       post.code AS post, post.name_hi AS post_hi, post.name_en AS post_en, post.seats,
       asked.scope IS NULL OR EXISTS (SELECT FROM lineage s WHERE s.unit_id = u.id AND s.above_id = asked.scope)
           AS in_scope,
       held.taken, held.first_holder
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[]) WITH ORDINALITY
     AS asked (organisation_id, code, post, scope, number)
JOIN organisation o ON o.id = asked.organisation_id
CROSS JOIN LATERAL (
    SELECT * FROM unit
    WHERE organisation_id = asked.organisation_id AND code IN (asked.code, lower(asked.code), upper(asked.code))
    ORDER BY code <> asked.code LIMIT 1
) u
JOIN level l ON l.organisation_id = u.organisation_id AND l.code = u.level
LEFT JOIN lineage up ON up.unit_id = u.id AND up.distance = 1
LEFT JOIN unit p ON p.id = up.above_id
LEFT JOIN level pl ON pl.organisation_id = p.organisation_id AND pl.code = p.level
LEFT JOIN post ON post.organisation_id = u.organisation_id AND post.level = u.level AND post.code = asked.post
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(a.seat ORDER BY a.seat), '{}') AS taken,
           (array_agg(a.id ORDER BY a.seat))[1] AS first_holder
    FROM appointment a
    WHERE a.unit_id = u.id AND a.post = asked.post AND a.state IN ('recorded', 'verified')
) held;

-- name: people_with_phones
SELECT f.fingerprint, p.organisation_id, p.id AS person_id, p.name_hi, p.name_en, p.gender,
       c.id, c.phone_kid, c.phone_box, c.phone_last3
FROM contact_fingerprint f
JOIN contact c ON c.id = f.contact_id
JOIN person p ON p.id = c.person_id
WHERE f.fingerprint = ANY($1::text[]) AND p.erased_at IS NULL
ORDER BY p.id, c.created_at DESC;

-- name: by_external_refs
SELECT a.* FROM unnest($1::uuid[], $2::text[]) AS asked (organisation_id, external_ref)
JOIN appointment a ON a.organisation_id = asked.organisation_id AND a.external_ref = asked.external_ref;

-- name: by_import_keys
-- The newest appointment of this phone (fingerprints with blanks between) and person (NULL: anybody) on this post, in
-- whatever state.
SELECT asked.number::int, a.*
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[]) WITH ORDINALITY
     AS asked (unit_id, post, fingerprints, person_id, number)
CROSS JOIN LATERAL (
    SELECT * FROM appointment
    WHERE unit_id = asked.unit_id AND post = asked.post
      AND (asked.person_id IS NULL OR person_id = asked.person_id)
      AND EXISTS (
          SELECT FROM challenge c JOIN contact_fingerprint f ON f.contact_id = c.contact_id
          WHERE c.appointment_id = appointment.id AND f.fingerprint = ANY(string_to_array(asked.fingerprints, ' '))
      )
    ORDER BY recorded_at DESC LIMIT 1
) a;

-- name: place_all
-- All that a recording writes, for each that got its seat: ON CONFLICT waits for a writer on the same seat and then does
-- nothing if it committed. Foreign keys are checked at the end, so the order of the parts does not matter.
WITH asked AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset($1) AS asked (
        id uuid, organisation_id uuid, unit_id uuid, level text, post text, seat smallint, person_id uuid,
        contact_id uuid, mode text, language text, external_ref text, notice_version text, notice_language text,
        notice_at timestamptz, recorder text, recorded_by uuid, recorded_at timestamptz, not_after timestamptz,
        challenge_id uuid, is_new_person boolean, name_hi text, name_en text, gender text, phone_kid text,
        phone_box text, phone_last3 text, fingerprints jsonb, details jsonb,
        event_id uuid, urgent boolean, topic text, key text, value text, headers jsonb,
        traceparent text
    )
), placed AS (
    INSERT INTO appointment (
        id, organisation_id, unit_id, level, post, seat, person_id, contact_id, state, state_at, cycle, version, mode,
        language, external_ref, notice_version, notice_language, notice_at, recorder, recorded_by, recorded_at,
        invited_at, not_after
    )
    SELECT id, organisation_id, unit_id, level, post, seat, person_id, contact_id, 'recorded', recorded_at, 1, 1, mode,
           language, external_ref, notice_version, notice_language, notice_at, recorder, recorded_by, recorded_at,
           recorded_at, not_after
    FROM asked ORDER BY unit_id, post, seat
    ON CONFLICT (unit_id, post, seat) WHERE state IN ('recorded', 'verified') DO NOTHING
    RETURNING id
), kept AS MATERIALIZED (
    SELECT * FROM asked JOIN placed USING (id)
), new_person AS (
    INSERT INTO person (id, organisation_id, name_hi, name_en, gender, language, created_at)
    SELECT person_id, organisation_id, name_hi, name_en, gender, language, recorded_at FROM kept WHERE is_new_person
), new_contact AS (
    INSERT INTO contact (id, organisation_id, person_id, phone_kid, phone_box, phone_last3, created_at)
    SELECT contact_id, organisation_id, person_id, phone_kid, decode(phone_box, 'base64'), phone_last3, recorded_at
    FROM kept WHERE is_new_person
), new_fingerprint AS (
    INSERT INTO contact_fingerprint (contact_id, kid, fingerprint)
    SELECT contact_id, each.key, each.value FROM kept CROSS JOIN LATERAL jsonb_each_text(fingerprints) each
    WHERE is_new_person
), cycle AS (
    INSERT INTO challenge (id, organisation_id, appointment_id, cycle, contact_id, at)
    SELECT challenge_id, organisation_id, id, 1, contact_id, recorded_at FROM kept
), entry AS (
    INSERT INTO timeline (organisation_id, appointment_id, cycle, kind, at, details)
    SELECT organisation_id, id, 1, 'recorded', recorded_at, details FROM kept
), shown AS (
    INSERT INTO change (organisation_id, unit_id, appointment_id, kind, at, traceparent)
    SELECT organisation_id, unit_id, id, 'recorded', recorded_at, traceparent FROM kept
), stated AS (
    INSERT INTO outbox (event_id, organisation_id, urgent, topic, key, value, headers, person_ids, created_at)
    SELECT event_id, organisation_id, urgent, topic, convert_to(key, 'UTF8'), convert_to(value, 'UTF8'), headers,
           ARRAY[person_id], recorded_at
    FROM kept
)
SELECT id FROM placed;

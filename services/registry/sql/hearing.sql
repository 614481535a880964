-- What otp and the notifier state. A version that is known already, or an older one, changes nothing. Rows are written in
-- order, so that two of these never wait for each other.

-- name: hear_all
UPDATE challenge SET version = heard.version, state = heard.state, at = heard.at
FROM unnest($1::uuid[], $2::int[], $3::text[], $4::timestamptz[]) AS heard (id, version, state, at)
WHERE challenge.id = heard.id AND challenge.version < heard.version RETURNING challenge.id;

-- name: note_opened
WITH told AS MATERIALIZED (
    SELECT told.*, a.unit_id
    FROM jsonb_to_recordset($1) AS told (
        id uuid, organisation_id uuid, appointment_id uuid, cycle int, version int, at timestamptz, traceparent text
    )
    JOIN appointment a ON a.id = told.appointment_id AND a.organisation_id = told.organisation_id
), fresh AS (
    UPDATE challenge SET version = told.version, state = 'opened', at = told.at
    FROM told WHERE challenge.id = told.id AND challenge.version < told.version RETURNING challenge.id
), noted AS MATERIALIZED (
    SELECT * FROM told JOIN fresh USING (id)
), entry AS (
    INSERT INTO timeline (organisation_id, appointment_id, cycle, kind, at)
    SELECT organisation_id, appointment_id, cycle, 'opened', at FROM noted
), shown AS (
    INSERT INTO change (organisation_id, unit_id, appointment_id, kind, at, traceparent)
    SELECT organisation_id, unit_id, appointment_id, 'opened', at, traceparent FROM noted
)
SELECT appointment_id FROM told;

-- name: state_deliveries
WITH stated AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset($1) AS stated (
        message_id uuid, organisation_id uuid, appointment_id uuid, cycle int, challenge_id uuid, unit_id uuid,
        lane text, template text, channel text, provider text, state text, reason text, falls_back boolean,
        attempt int, parts int, version int, at timestamptz, is_shown boolean, traceparent text
    )
), fresh AS (
    INSERT INTO delivery (
        message_id, organisation_id, appointment_id, cycle, challenge_id, unit_id, lane, template, channel, provider,
        state, reason, falls_back, attempt, parts, version, at
    )
    SELECT message_id, organisation_id, appointment_id, cycle, challenge_id, unit_id, lane, template, channel, provider,
           state, reason, falls_back, attempt, parts, version, at
    FROM stated ORDER BY message_id
    ON CONFLICT (message_id) DO UPDATE SET
        channel = excluded.channel, provider = excluded.provider, state = excluded.state, reason = excluded.reason,
        falls_back = excluded.falls_back, attempt = excluded.attempt, parts = coalesce(excluded.parts, delivery.parts),
        version = excluded.version, at = excluded.at
    WHERE delivery.version < excluded.version
    RETURNING message_id
), noted AS MATERIALIZED (
    SELECT stated.*, a.unit_id AS of_unit, a.cycle AS of_cycle, a.mode, a.invited_at
    FROM stated JOIN fresh USING (message_id)
    JOIN appointment a ON a.id = stated.appointment_id AND a.organisation_id = stated.organisation_id
    WHERE stated.is_shown
), entry AS (
    INSERT INTO timeline (organisation_id, appointment_id, cycle, kind, at, details)
    SELECT organisation_id, appointment_id, coalesce(cycle, of_cycle), 'message_' || state, at,
           jsonb_build_object('message', message_id, 'template', template, 'channel', channel, 'attempt', attempt,
                              'parts', parts, 'reason', reason, 'falls_back', falls_back)
    FROM noted
), shown AS (
    INSERT INTO change (organisation_id, unit_id, appointment_id, kind, at, traceparent)
    SELECT organisation_id, of_unit, appointment_id, 'message_' || state, at, traceparent FROM noted
)
SELECT message_id, of_cycle AS cycle, mode, invited_at FROM noted;

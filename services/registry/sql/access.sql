-- Accounts, keys, sign-in links, sessions, repeated requests.

-- name: principals_of_keys
SELECT k.key_hash, a.id, a.organisation_id, a.name, a.unit_id,
       ARRAY(SELECT unnest(a.permissions) INTERSECT SELECT unnest(k.scopes)) AS permissions
FROM api_key k JOIN account a ON a.id = k.account_id
WHERE k.key_hash = ANY($1::bytea[]) AND k.revoked_at IS NULL AND a.closed_at IS NULL;

-- name: account
SELECT id, organisation_id, name, unit_id, permissions FROM account
WHERE organisation_id = $1 AND name = $2 AND closed_at IS NULL ORDER BY created_at LIMIT 1;

-- name: open_account
INSERT INTO account (id, organisation_id, name, unit_id, permissions, created_at) VALUES ($1, $2, $3, $4, $5, $6);

-- name: add_key
INSERT INTO api_key (id, organisation_id, account_id, key_hash, scopes, created_at) VALUES ($1, $2, $3, $4, $5, $6);

-- name: add_sign_in
INSERT INTO sign_in (token_hash, organisation_id, account_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5);

-- name: use_sign_in
-- One UPDATE decides who was first.
WITH used AS (
    UPDATE sign_in SET used_at = $2 WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2 RETURNING account_id
)
SELECT a.id, a.organisation_id, a.name, a.unit_id, a.permissions
FROM used JOIN account a ON a.id = used.account_id WHERE a.closed_at IS NULL;

-- name: add_session
INSERT INTO session (token_hash, organisation_id, account_id, created_at, seen_at, expires_at)
VALUES ($1, $2, $3, $4, $4, $5);

-- name: session
WITH alive AS (
    UPDATE session SET seen_at = $2, expires_at = $3 WHERE token_hash = $1 AND expires_at > $2 RETURNING account_id
)
SELECT a.id, a.organisation_id, a.name, a.unit_id, a.permissions
FROM alive JOIN account a ON a.id = alive.account_id WHERE a.closed_at IS NULL;

-- name: end_session
DELETE FROM session WHERE token_hash = $1;

-- name: claim
-- Waits for a transaction that holds the same key; nothing comes back when that one committed.
INSERT INTO idempotency (organisation_id, account_id, key, request_hash, created_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING RETURNING key;

-- name: claimed
SELECT request_hash, response FROM idempotency WHERE organisation_id = $1 AND account_id = $2 AND key = $3;

-- name: answer
UPDATE idempotency SET response = $4 WHERE organisation_id = $1 AND account_id = $2 AND key = $3;

-- name: release
DELETE FROM idempotency WHERE organisation_id = $1 AND account_id = $2 AND key = $3 AND response IS NULL;

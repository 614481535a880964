-- Import jobs and their rejects.

-- name: add_job
INSERT INTO import_job (id, organisation_id, kind, preset, state, total_bytes, account_id, created_at, seen_at)
VALUES ($1, $2, $3, $4, 'running', $5, $6, $7, $7);

-- name: job
-- $3: of this account only; NULL: of the whole organisation.
SELECT id, kind, preset, state, problem, problem_details, encoding, columns, total_bytes, bytes, rows, accepted,
       unchanged, rejected, created_at, finished_at
FROM import_job WHERE id = $2 AND organisation_id = $1 AND ($3::uuid IS NULL OR account_id = $3);

-- name: jobs
SELECT id, kind, preset, state, problem, problem_details, encoding, columns, total_bytes, bytes, rows, accepted,
       unchanged, rejected, created_at, finished_at
FROM import_job WHERE organisation_id = $1 AND ($3::uuid IS NULL OR account_id = $3) ORDER BY created_at DESC LIMIT $2;

-- name: progress
UPDATE import_job SET bytes = $2, rows = $3, accepted = $4, unchanged = $5, rejected = $6, seen_at = $7 WHERE id = $1;

-- name: read_as
UPDATE import_job SET encoding = $2, columns = $3 WHERE id = $1;

-- name: finish_job
UPDATE import_job SET state = $2, problem = $3, problem_details = $4, finished_at = $5, seen_at = $5 WHERE id = $1;

-- name: abandon_jobs
UPDATE import_job SET state = 'failed', problem = 'interrupted', problem_details = '{}', finished_at = $2
WHERE state = 'running' AND seen_at < $1;

-- name: rejects
SELECT row, problem, column_name, code, details, cells_kid, cells FROM import_reject
WHERE job_id = $1 AND (row, problem) > ($2, $3) ORDER BY row, problem LIMIT $4;

-- name: reject_counts
SELECT code, count(DISTINCT row) AS rows FROM import_reject WHERE job_id = $1 GROUP BY code ORDER BY rows DESC, code;

-- Model calls with an Idempotency-Key: who runs the call and until when that counts, and the headers of its answer.
-- The body is sealed. A body that was too large to be kept is NULL.
ALTER TABLE idempotency_keys ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE idempotency_keys ADD COLUMN lease_until TEXT;
ALTER TABLE idempotency_keys ADD COLUMN response_headers TEXT;

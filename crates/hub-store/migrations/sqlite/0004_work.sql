-- Background work, the audit trail, and what keeps calls from happening twice.

CREATE TABLE jobs (
  id BLOB NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  payload TEXT NOT NULL,
  dedupe_key TEXT UNIQUE,
  status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'done', 'failed')),
  run_at TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  max_attempts INTEGER NOT NULL,
  lease_owner TEXT,
  lease_until TEXT,
  last_error TEXT,
  created_at TEXT NOT NULL,
  finished_at TEXT
) STRICT;
CREATE INDEX jobs_due ON jobs (run_at) WHERE status IN ('queued', 'running');
CREATE INDEX jobs_finished ON jobs (finished_at);

CREATE TABLE audit_log (
  id BLOB NOT NULL,
  created_at TEXT NOT NULL,
  action TEXT NOT NULL,
  outcome TEXT NOT NULL,
  actor_id BLOB,
  actor_email TEXT NOT NULL,
  target_kind TEXT NOT NULL,
  target_id TEXT NOT NULL,
  user_id BLOB,
  address TEXT NOT NULL,
  user_agent TEXT NOT NULL,
  request_id TEXT NOT NULL,
  details TEXT NOT NULL,
  PRIMARY KEY (created_at, id)
) STRICT;
CREATE INDEX audit_log_user ON audit_log (user_id, created_at);
CREATE TRIGGER audit_log_no_change BEFORE UPDATE ON audit_log
BEGIN
  SELECT RAISE(ABORT, 'audit_log is append-only');
END;

-- The stored answer of a request that carried an Idempotency-Key.
CREATE TABLE idempotency_keys (
  user_id BLOB NOT NULL,
  idem_key TEXT NOT NULL,
  route TEXT NOT NULL,
  body_hash BLOB NOT NULL,
  hold_id BLOB,
  status TEXT NOT NULL CHECK (status IN ('running', 'done')),
  response_status INTEGER,
  response_body BLOB,
  created_at TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  PRIMARY KEY (user_id, idem_key)
) STRICT;
CREATE INDEX idempotency_keys_due ON idempotency_keys (expires_at);

CREATE TABLE webhook_events (
  provider TEXT NOT NULL,
  event_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  payload TEXT NOT NULL,
  received_at TEXT NOT NULL,
  processed_at TEXT,
  last_error TEXT,
  PRIMARY KEY (provider, event_id)
) STRICT;

-- Credentials of providers that were added at run time; sealed with a key that is not in the database.
CREATE TABLE provider_credentials (
  id BLOB NOT NULL PRIMARY KEY,
  provider TEXT NOT NULL,
  label TEXT NOT NULL,
  base_url TEXT,
  secret_sealed BLOB NOT NULL,
  weight INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  enabled INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  UNIQUE (provider, label)
) STRICT;

CREATE TABLE video_jobs (
  id BLOB NOT NULL PRIMARY KEY,
  user_id BLOB NOT NULL REFERENCES users (id),
  api_key_id BLOB,
  engine TEXT NOT NULL,
  model TEXT NOT NULL,
  prompt TEXT NOT NULL,
  parameters TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('queued', 'processing', 'completed', 'failed', 'deleted')),
  progress INTEGER NOT NULL,
  upstream_id TEXT,
  charge_transaction BLOB,
  refund_transaction BLOB,
  credits INTEGER NOT NULL,
  content_path TEXT,
  last_error TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  completed_at TEXT,
  expires_at TEXT
) STRICT;
CREATE INDEX video_jobs_user ON video_jobs (user_id, created_at);
CREATE INDEX video_jobs_status ON video_jobs (status, updated_at);

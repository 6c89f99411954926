-- Background work, the audit trail, and what keeps calls from happening twice.

CREATE TABLE jobs (
  id uuid PRIMARY KEY,
  kind text NOT NULL,
  payload jsonb NOT NULL,
  dedupe_key text UNIQUE,
  status text NOT NULL CHECK (status IN ('queued', 'running', 'done', 'failed')),
  run_at timestamptz NOT NULL,
  attempts integer NOT NULL,
  max_attempts integer NOT NULL,
  lease_owner text,
  lease_until timestamptz,
  last_error text,
  created_at timestamptz NOT NULL,
  finished_at timestamptz
);
CREATE INDEX jobs_due ON jobs (run_at) WHERE status IN ('queued', 'running');
CREATE INDEX jobs_finished ON jobs (finished_at);

CREATE TABLE audit_log (
  id uuid NOT NULL,
  created_at timestamptz NOT NULL,
  action text NOT NULL,
  outcome text NOT NULL,
  actor_id uuid,
  actor_email text NOT NULL,
  target_kind text NOT NULL,
  target_id text NOT NULL,
  user_id uuid,
  address text NOT NULL,
  user_agent text NOT NULL,
  request_id text NOT NULL,
  details jsonb NOT NULL,
  PRIMARY KEY (created_at, id)
) PARTITION BY RANGE (created_at);
CREATE TABLE audit_log_default PARTITION OF audit_log DEFAULT;
CREATE INDEX audit_log_user ON audit_log (user_id, created_at);
CREATE TRIGGER audit_log_no_change BEFORE UPDATE ON audit_log
  FOR EACH ROW EXECUTE FUNCTION forbid_change();

-- The stored answer of a request that carried an Idempotency-Key.
CREATE TABLE idempotency_keys (
  user_id uuid NOT NULL,
  idem_key text NOT NULL,
  route text NOT NULL,
  body_hash bytea NOT NULL,
  hold_id uuid,
  status text NOT NULL CHECK (status IN ('running', 'done')),
  response_status integer,
  response_body bytea,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (user_id, idem_key)
);
CREATE INDEX idempotency_keys_due ON idempotency_keys (expires_at);

CREATE TABLE webhook_events (
  provider text NOT NULL,
  event_id text NOT NULL,
  kind text NOT NULL,
  payload jsonb NOT NULL,
  received_at timestamptz NOT NULL,
  processed_at timestamptz,
  last_error text,
  PRIMARY KEY (provider, event_id)
);

-- Credentials of providers that were added at run time; sealed with a key that is not in the database.
CREATE TABLE provider_credentials (
  id uuid PRIMARY KEY,
  provider text NOT NULL,
  label text NOT NULL,
  base_url text,
  secret_sealed bytea NOT NULL,
  weight integer NOT NULL,
  priority integer NOT NULL,
  enabled boolean NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  UNIQUE (provider, label)
);

CREATE TABLE video_jobs (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES users (id),
  api_key_id uuid,
  engine text NOT NULL,
  model text NOT NULL,
  prompt text NOT NULL,
  parameters jsonb NOT NULL,
  status text NOT NULL CHECK (status IN ('queued', 'processing', 'completed', 'failed', 'deleted')),
  progress integer NOT NULL,
  upstream_id text,
  charge_transaction uuid,
  refund_transaction uuid,
  credits bigint NOT NULL,
  content_path text,
  last_error text,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  completed_at timestamptz,
  expires_at timestamptz
);
CREATE INDEX video_jobs_user ON video_jobs (user_id, created_at);
CREATE INDEX video_jobs_status ON video_jobs (status, updated_at);

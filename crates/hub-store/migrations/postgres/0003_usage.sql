-- Prices, and what was used.

-- Never updated, only superseded by a row with a later valid_from.
CREATE TABLE price_versions (
  id uuid PRIMARY KEY,
  provider text NOT NULL,
  model text NOT NULL,
  unit_prices jsonb NOT NULL,
  context_tokens bigint,
  max_output_tokens bigint NOT NULL,
  valid_from timestamptz NOT NULL,
  source text NOT NULL,
  created_at timestamptz NOT NULL,
  created_by uuid,
  UNIQUE (provider, model, valid_from)
);

-- One row per call. No foreign keys: nothing hot may hang on it, and history outlives what it describes.
CREATE TABLE usage_logs (
  id uuid NOT NULL,
  created_at timestamptz NOT NULL,
  user_id uuid NOT NULL,
  api_key_id uuid,
  request_id text NOT NULL,
  hold_id uuid,
  kind text NOT NULL,
  route text NOT NULL,
  service text NOT NULL,
  provider text NOT NULL,
  model text NOT NULL,
  input_tokens bigint NOT NULL,
  cache_read_tokens bigint NOT NULL,
  cache_write_tokens bigint NOT NULL,
  output_tokens bigint NOT NULL,
  reasoning_tokens bigint NOT NULL,
  usage_source text NOT NULL,
  credits bigint NOT NULL,
  status text NOT NULL,
  attempts integer NOT NULL,
  latency_ms bigint NOT NULL,
  first_token_ms bigint,
  metadata jsonb NOT NULL,
  PRIMARY KEY (created_at, id)
) PARTITION BY RANGE (created_at);
CREATE TABLE usage_logs_default PARTITION OF usage_logs DEFAULT;
CREATE INDEX usage_logs_user ON usage_logs (user_id, created_at);
CREATE INDEX usage_logs_service ON usage_logs (service, created_at);

CREATE TABLE usage_daily (
  day text NOT NULL,
  user_id uuid NOT NULL,
  api_key_id uuid NOT NULL,
  service text NOT NULL,
  provider text NOT NULL,
  model text NOT NULL,
  calls bigint NOT NULL,
  input_tokens bigint NOT NULL,
  output_tokens bigint NOT NULL,
  credits bigint NOT NULL,
  PRIMARY KEY (day, user_id, api_key_id, service, provider, model)
);

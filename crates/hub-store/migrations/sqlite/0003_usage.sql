-- Prices, and what was used.

-- Never updated, only superseded by a row with a later valid_from.
CREATE TABLE price_versions (
  id BLOB NOT NULL PRIMARY KEY,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  unit_prices TEXT NOT NULL,
  context_tokens INTEGER,
  max_output_tokens INTEGER NOT NULL,
  valid_from TEXT NOT NULL,
  source TEXT NOT NULL,
  created_at TEXT NOT NULL,
  created_by BLOB,
  UNIQUE (provider, model, valid_from)
) STRICT;

-- One row per call. No foreign keys: nothing hot may hang on it, and history outlives what it describes.
CREATE TABLE usage_logs (
  id BLOB NOT NULL,
  created_at TEXT NOT NULL,
  user_id BLOB NOT NULL,
  api_key_id BLOB,
  request_id TEXT NOT NULL,
  hold_id BLOB,
  kind TEXT NOT NULL,
  route TEXT NOT NULL,
  service TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  input_tokens INTEGER NOT NULL,
  cache_read_tokens INTEGER NOT NULL,
  cache_write_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  reasoning_tokens INTEGER NOT NULL,
  usage_source TEXT NOT NULL,
  credits INTEGER NOT NULL,
  status TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  latency_ms INTEGER NOT NULL,
  first_token_ms INTEGER,
  metadata TEXT NOT NULL,
  PRIMARY KEY (created_at, id)
) STRICT;
CREATE INDEX usage_logs_user ON usage_logs (user_id, created_at);
CREATE INDEX usage_logs_service ON usage_logs (service, created_at);

CREATE TABLE usage_daily (
  day TEXT NOT NULL,
  user_id BLOB NOT NULL,
  api_key_id BLOB NOT NULL,
  service TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  calls INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  credits INTEGER NOT NULL,
  PRIMARY KEY (day, user_id, api_key_id, service, provider, model)
) STRICT;

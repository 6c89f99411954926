-- Usage, added up while it is used, so that charts never read every call.
--
-- A quarter is a quarter of an hour: seconds since 1970 divided by 900. Every time zone in use is a whole number of quarters away
-- from UTC, so local hours, days and months are sums of quarters. A day here is a day of UTC: 96 quarters.

-- It was never filled, and days of UTC cannot be added up to the days of other time zones.
DROP TABLE usage_daily;

-- One row. Quarters before `closed` are added up; a call written into one before `closing` leaves a mark in usage_late; calls before
-- `kept_from` were deleted, only their sums remain.
CREATE TABLE usage_rollup (
  id INT NOT NULL PRIMARY KEY CHECK (id = 1),
  closing INTEGER NOT NULL,
  closed INTEGER NOT NULL,
  kept_from INTEGER NOT NULL
) STRICT;
INSERT INTO usage_rollup (id, closing, closed, kept_from) VALUES (1, 0, 0, 0);

-- Quarters that must be added up again, as often as calls came too late for them.
CREATE TABLE usage_late (
  quarter INTEGER NOT NULL
) STRICT;
CREATE INDEX usage_late_quarter ON usage_late (quarter);

CREATE TRIGGER usage_logs_late_inserted AFTER INSERT ON usage_logs
WHEN unixepoch(substr(NEW.created_at, 1, 19)) / 900 < (SELECT closing FROM usage_rollup)
BEGIN
  INSERT INTO usage_late (quarter) VALUES (unixepoch(substr(NEW.created_at, 1, 19)) / 900);
END;
CREATE TRIGGER usage_logs_late_updated AFTER UPDATE ON usage_logs
WHEN unixepoch(substr(NEW.created_at, 1, 19)) / 900 < (SELECT closing FROM usage_rollup)
BEGIN
  INSERT INTO usage_late (quarter) VALUES (unixepoch(substr(NEW.created_at, 1, 19)) / 900);
END;

-- Per caller. One person's rows lie together.
CREATE TABLE usage_user_quarters (
  user_id BLOB NOT NULL,
  quarter INTEGER NOT NULL,
  api_key_id BLOB NOT NULL,
  service TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  calls INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  cache_read_tokens INTEGER NOT NULL,
  cache_write_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  reasoning_tokens INTEGER NOT NULL,
  credits INTEGER NOT NULL,
  PRIMARY KEY (user_id, quarter, api_key_id, service, provider, model)
) STRICT;
CREATE INDEX usage_user_quarters_quarter ON usage_user_quarters (quarter);

-- Of the whole hub.
CREATE TABLE usage_quarters (
  quarter INTEGER NOT NULL,
  service TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  calls INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  cache_read_tokens INTEGER NOT NULL,
  cache_write_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  reasoning_tokens INTEGER NOT NULL,
  credits INTEGER NOT NULL,
  PRIMARY KEY (quarter, service, provider, model)
) STRICT;

-- Whole days of UTC per caller, for tables of all users and keys over long ranges.
CREATE TABLE usage_user_days (
  day INTEGER NOT NULL,
  user_id BLOB NOT NULL,
  api_key_id BLOB NOT NULL,
  service TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  calls INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  cache_read_tokens INTEGER NOT NULL,
  cache_write_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  reasoning_tokens INTEGER NOT NULL,
  credits INTEGER NOT NULL,
  PRIMARY KEY (day, user_id, api_key_id, service, provider, model)
) STRICT;

-- Logs are read newest first, by whatever they are filtered by. A service has few providers, so providers serve both.
DROP INDEX usage_logs_service;
CREATE INDEX usage_logs_provider ON usage_logs (provider, created_at);
CREATE INDEX usage_logs_model ON usage_logs (model, created_at);
CREATE INDEX usage_logs_key ON usage_logs (api_key_id, created_at) WHERE api_key_id IS NOT NULL;
CREATE INDEX usage_logs_status ON usage_logs (status, created_at) WHERE status <> 'completed';

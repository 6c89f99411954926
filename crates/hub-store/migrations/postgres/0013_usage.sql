-- Usage, added up while it is used, so that charts never read every call.
--
-- A quarter is a quarter of an hour: seconds since 1970 divided by 900. Every time zone in use is a whole number of quarters away
-- from UTC, so local hours, days and months are sums of quarters. A day here is a day of UTC: 96 quarters.

-- It was never filled, and days of UTC cannot be added up to the days of other time zones.
DROP TABLE usage_daily;

-- One row. Quarters before `closed` are added up; a call written into one before `closing` leaves a mark in usage_late; calls before
-- `kept_from` were deleted, only their sums remain.
CREATE TABLE usage_rollup (
  id integer PRIMARY KEY CHECK (id = 1),
  closing bigint NOT NULL,
  closed bigint NOT NULL,
  kept_from bigint NOT NULL
);
INSERT INTO usage_rollup (id, closing, closed, kept_from) VALUES (1, 0, 0, 0);

-- Quarters that must be added up again, as often as calls came too late for them.
CREATE TABLE usage_late (
  quarter bigint NOT NULL
);
CREATE INDEX usage_late_quarter ON usage_late (quarter);

CREATE FUNCTION mark_late_usage() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  at bigint := CAST(floor(extract(epoch FROM NEW.created_at)) AS bigint) / 900;
BEGIN
  IF at < (SELECT closing FROM usage_rollup) THEN
    INSERT INTO usage_late (quarter) VALUES (at);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER usage_logs_late AFTER INSERT OR UPDATE ON usage_logs
  FOR EACH ROW EXECUTE FUNCTION mark_late_usage();

-- Per caller. One person's rows lie together.
CREATE TABLE usage_user_quarters (
  user_id uuid NOT NULL,
  quarter bigint NOT NULL,
  api_key_id uuid NOT NULL,
  service text NOT NULL,
  provider text NOT NULL,
  model text NOT NULL,
  calls bigint NOT NULL,
  failed bigint NOT NULL,
  input_tokens bigint NOT NULL,
  cache_read_tokens bigint NOT NULL,
  cache_write_tokens bigint NOT NULL,
  output_tokens bigint NOT NULL,
  reasoning_tokens bigint NOT NULL,
  credits bigint NOT NULL,
  PRIMARY KEY (user_id, quarter, api_key_id, service, provider, model)
);
CREATE INDEX usage_user_quarters_quarter ON usage_user_quarters (quarter);

-- Of the whole hub.
CREATE TABLE usage_quarters (
  quarter bigint NOT NULL,
  service text NOT NULL,
  provider text NOT NULL,
  model text NOT NULL,
  calls bigint NOT NULL,
  failed bigint NOT NULL,
  input_tokens bigint NOT NULL,
  cache_read_tokens bigint NOT NULL,
  cache_write_tokens bigint NOT NULL,
  output_tokens bigint NOT NULL,
  reasoning_tokens bigint NOT NULL,
  credits bigint NOT NULL,
  PRIMARY KEY (quarter, service, provider, model)
);

-- Whole days of UTC per caller, for tables of all users and keys over long ranges.
CREATE TABLE usage_user_days (
  day bigint NOT NULL,
  user_id uuid NOT NULL,
  api_key_id uuid NOT NULL,
  service text NOT NULL,
  provider text NOT NULL,
  model text NOT NULL,
  calls bigint NOT NULL,
  failed bigint NOT NULL,
  input_tokens bigint NOT NULL,
  cache_read_tokens bigint NOT NULL,
  cache_write_tokens bigint NOT NULL,
  output_tokens bigint NOT NULL,
  reasoning_tokens bigint NOT NULL,
  credits bigint NOT NULL,
  PRIMARY KEY (day, user_id, api_key_id, service, provider, model)
);

-- Logs are read newest first, by whatever they are filtered by. A service has few providers, so providers serve both.
DROP INDEX usage_logs_service;
CREATE INDEX usage_logs_provider ON usage_logs (provider, created_at);
CREATE INDEX usage_logs_model ON usage_logs (model, created_at);
CREATE INDEX usage_logs_key ON usage_logs (api_key_id, created_at) WHERE api_key_id IS NOT NULL;
CREATE INDEX usage_logs_status ON usage_logs (status, created_at) WHERE status <> 'completed';

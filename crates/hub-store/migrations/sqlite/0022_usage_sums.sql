-- Sums of usage for every length of time in one shape: per quarter of an hour, hour, day of UTC and ten days. Charts and tables over months
-- read few long sums and, where a range or a local day begins between them, some short ones.
--
-- `length` is 900, 3600, 86400 or 864000 seconds, `start` is in seconds since 1970 and a multiple of it. A longer sum is there once all of it
-- is closed (see 0013_usage.sql).

-- Of the whole hub.
CREATE TABLE usage_sums (
  length INTEGER NOT NULL,
  start INTEGER NOT NULL,
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
  PRIMARY KEY (length, start, service, provider, model)
) STRICT;

-- Per caller. The nil id stands for no key. The key begins with time, so that what is added comes to its end and fills its pages.
CREATE TABLE usage_user_sums (
  user_id BLOB NOT NULL,
  length INTEGER NOT NULL,
  start INTEGER NOT NULL,
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
  PRIMARY KEY (length, start, user_id, api_key_id, service, provider, model)
) STRICT;

-- What is added up already moves over; the calls it came from may be gone.
INSERT INTO usage_user_sums (user_id, length, start, api_key_id, service, provider, model,
    calls, failed, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, credits)
  SELECT user_id, 900, quarter * 900, api_key_id, service, provider, model,
    calls, failed, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, credits
  FROM usage_user_quarters ORDER BY quarter, user_id;
INSERT INTO usage_user_sums (user_id, length, start, api_key_id, service, provider, model,
    calls, failed, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, credits)
  SELECT user_id, 3600, quarter / 4 * 3600, api_key_id, service, provider, model,
    CAST(SUM(calls) AS bigint), CAST(SUM(failed) AS bigint), CAST(SUM(input_tokens) AS bigint),
    CAST(SUM(cache_read_tokens) AS bigint), CAST(SUM(cache_write_tokens) AS bigint), CAST(SUM(output_tokens) AS bigint),
    CAST(SUM(reasoning_tokens) AS bigint), CAST(SUM(credits) AS bigint)
  FROM usage_user_quarters WHERE quarter < (SELECT closed / 4 * 4 FROM usage_rollup)
  GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 3, 1;
INSERT INTO usage_user_sums (user_id, length, start, api_key_id, service, provider, model,
    calls, failed, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, credits)
  SELECT user_id, 86400, day * 86400, api_key_id, service, provider, model,
    calls, failed, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, credits
  FROM usage_user_days ORDER BY day, user_id;
INSERT INTO usage_user_sums (user_id, length, start, api_key_id, service, provider, model,
    calls, failed, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, credits)
  SELECT user_id, 864000, day / 10 * 864000, api_key_id, service, provider, model,
    CAST(SUM(calls) AS bigint), CAST(SUM(failed) AS bigint), CAST(SUM(input_tokens) AS bigint),
    CAST(SUM(cache_read_tokens) AS bigint), CAST(SUM(cache_write_tokens) AS bigint), CAST(SUM(output_tokens) AS bigint),
    CAST(SUM(reasoning_tokens) AS bigint), CAST(SUM(credits) AS bigint)
  FROM usage_user_days WHERE day < (SELECT closed / 960 * 10 FROM usage_rollup)
  GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 3, 1;
INSERT INTO usage_sums (length, start, service, provider, model,
    calls, failed, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, credits)
  SELECT length, start, service, provider, model,
    CAST(SUM(calls) AS bigint), CAST(SUM(failed) AS bigint), CAST(SUM(input_tokens) AS bigint),
    CAST(SUM(cache_read_tokens) AS bigint), CAST(SUM(cache_write_tokens) AS bigint), CAST(SUM(output_tokens) AS bigint),
    CAST(SUM(reasoning_tokens) AS bigint), CAST(SUM(credits) AS bigint)
  FROM usage_user_sums GROUP BY 1, 2, 3, 4, 5;
CREATE INDEX usage_user_sums_user ON usage_user_sums (user_id, length, start);

DROP TABLE usage_user_quarters;
DROP TABLE usage_quarters;
DROP TABLE usage_user_days;

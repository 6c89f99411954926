-- Keys that are rotated, and budgets: of a line of keys, of a user, by role.

-- A rotated key and its successors are one line; limits belong to the line. Its id is that of the first key.
ALTER TABLE api_keys ADD COLUMN line_id uuid;
UPDATE api_keys SET line_id = id;
ALTER TABLE api_keys ALTER COLUMN line_id SET NOT NULL;
ALTER TABLE api_keys ADD COLUMN concurrent_calls integer;
CREATE INDEX api_keys_line ON api_keys (line_id);

-- Never used; the windows below took its place.
DROP TABLE api_key_budgets;

-- What was spent of a budget in one period. The id names both: 'key:<line>:day:2026-11-23', 'user:<id>:month:2026-11',
-- 'key:<line>:total'. The limit is not here: it may change within the period, and the guard is in the statement that takes from it.
CREATE TABLE budget_windows (
  id text COLLATE "C" PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES users (id),
  period_start timestamptz NOT NULL,
  spent bigint NOT NULL CHECK (spent >= 0),
  held bigint NOT NULL CHECK (held >= 0),
  updated_at timestamptz NOT NULL
);
CREATE INDEX budget_windows_user ON budget_windows (user_id);

-- What an administrator lets one user spend, in place of what the role may.
CREATE TABLE user_budgets (
  user_id uuid NOT NULL REFERENCES users (id),
  period text NOT NULL CHECK (period IN ('day', 'month', 'total')),
  amount bigint NOT NULL CHECK (amount >= 0),
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (user_id, period)
);

-- The windows a hold takes from, with the limit that was in force: [{"window": "...", "limit": micro-credits}].
ALTER TABLE credit_holds ADD COLUMN budgets jsonb NOT NULL DEFAULT '[]';

-- What an administrator sets for one user in place of what the role may: NULL leaves it to the role, 0 lifts the limit.
CREATE TABLE user_limits (
  user_id BLOB NOT NULL PRIMARY KEY REFERENCES users (id),
  requests_per_minute INTEGER CHECK (requests_per_minute >= 0),
  tokens_per_minute INTEGER CHECK (tokens_per_minute >= 0),
  concurrent_calls INTEGER CHECK (concurrent_calls >= 0),
  updated_at TEXT NOT NULL
) STRICT;

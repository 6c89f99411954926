-- The way back after a change of address outlives a change of password, so it is a purpose of its own.
-- SQLite cannot change a CHECK, so the table is made anew; no other table points at it.

CREATE TABLE verification_tokens_new (
  id BLOB NOT NULL PRIMARY KEY,
  purpose TEXT NOT NULL CHECK (purpose IN ('register', 'reset_password', 'change_email', 'invite', 'revert_email')),
  email TEXT NOT NULL,
  user_id BLOB REFERENCES users (id),
  secret_hash BLOB NOT NULL UNIQUE,
  code_hash BLOB,
  attempts INTEGER NOT NULL,
  payload TEXT NOT NULL,
  created_at TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  used_at TEXT
) STRICT;
INSERT INTO verification_tokens_new
  (id, purpose, email, user_id, secret_hash, code_hash, attempts, payload, created_at, expires_at, used_at)
SELECT id, purpose, email, user_id, secret_hash, code_hash, attempts, payload, created_at, expires_at, used_at
FROM verification_tokens;
DROP TABLE verification_tokens;
ALTER TABLE verification_tokens_new RENAME TO verification_tokens;
CREATE INDEX verification_tokens_email ON verification_tokens (email, purpose, created_at);
CREATE INDEX verification_tokens_due ON verification_tokens (expires_at);
CREATE INDEX verification_tokens_user ON verification_tokens (user_id, purpose);

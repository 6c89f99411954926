-- People, their devices and keys, and what they may do.

CREATE TABLE users (
  id BLOB NOT NULL PRIMARY KEY,
  email TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  password_hash TEXT,
  verified INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('active', 'disabled')),
  auth_version INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  last_login_at TEXT,
  deleted_at TEXT
) STRICT;

-- An account at Google, Sora2 or another sign-in provider. (provider, subject) is the identity; the address is not.
CREATE TABLE user_identities (
  provider TEXT NOT NULL,
  subject TEXT NOT NULL,
  user_id BLOB NOT NULL REFERENCES users (id),
  email TEXT,
  created_at TEXT NOT NULL,
  PRIMARY KEY (provider, subject)
) STRICT;
CREATE INDEX user_identities_user ON user_identities (user_id);

CREATE TABLE roles (
  id BLOB NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  is_system INTEGER NOT NULL,
  rank INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
) STRICT;

CREATE TABLE permissions (
  id BLOB NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  resource TEXT NOT NULL,
  action TEXT NOT NULL,
  description TEXT NOT NULL,
  UNIQUE (resource, action)
) STRICT;

CREATE TABLE user_roles (
  user_id BLOB NOT NULL REFERENCES users (id),
  role_id BLOB NOT NULL REFERENCES roles (id),
  assigned_at TEXT NOT NULL,
  assigned_by BLOB,
  PRIMARY KEY (user_id, role_id)
) STRICT;
CREATE INDEX user_roles_role ON user_roles (role_id);

CREATE TABLE role_permissions (
  role_id BLOB NOT NULL REFERENCES roles (id),
  permission_id BLOB NOT NULL REFERENCES permissions (id),
  granted_at TEXT NOT NULL,
  PRIMARY KEY (role_id, permission_id)
) STRICT;
CREATE INDEX role_permissions_permission ON role_permissions (permission_id);

-- One row per signed-in device. The refresh token is derived from (id, refresh_counter, refresh_salt) and a key that
-- is not in the database, so no token is stored, not even hashed.
CREATE TABLE sessions (
  id BLOB NOT NULL PRIMARY KEY,
  user_id BLOB NOT NULL REFERENCES users (id),
  refresh_counter INTEGER NOT NULL,
  refresh_salt BLOB NOT NULL,
  rotated_at TEXT NOT NULL,
  created_at TEXT NOT NULL,
  authenticated_at TEXT NOT NULL,
  last_used_at TEXT NOT NULL,
  idle_expires_at TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  revoked_at TEXT,
  revoke_reason TEXT,
  user_agent TEXT NOT NULL,
  address TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_user ON sessions (user_id, created_at);

-- Mailed one-time secrets: registration, reset, change of address. Only hashes; consumed by one atomic statement.
CREATE TABLE verification_tokens (
  id BLOB NOT NULL PRIMARY KEY,
  purpose TEXT NOT NULL CHECK (purpose IN ('register', 'reset_password', 'change_email', 'invite')),
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
CREATE INDEX verification_tokens_email ON verification_tokens (email, purpose, created_at);
CREATE INDEX verification_tokens_due ON verification_tokens (expires_at);

CREATE TABLE totp_secrets (
  user_id BLOB NOT NULL PRIMARY KEY REFERENCES users (id),
  secret_sealed BLOB NOT NULL,
  last_step INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  confirmed_at TEXT
) STRICT;

CREATE TABLE recovery_codes (
  user_id BLOB NOT NULL REFERENCES users (id),
  code_hash BLOB NOT NULL,
  created_at TEXT NOT NULL,
  used_at TEXT,
  PRIMARY KEY (user_id, code_hash)
) STRICT;

CREATE TABLE api_keys (
  id BLOB NOT NULL PRIMARY KEY,
  user_id BLOB NOT NULL REFERENCES users (id),
  name TEXT NOT NULL,
  key_hash BLOB NOT NULL UNIQUE,
  key_prefix TEXT NOT NULL,
  scopes TEXT NOT NULL,
  models TEXT NOT NULL,
  addresses TEXT NOT NULL,
  budget INTEGER,
  budget_period TEXT CHECK (budget_period IN ('day', 'month', 'total')),
  requests_per_minute INTEGER,
  tokens_per_minute INTEGER,
  created_at TEXT NOT NULL,
  expires_at TEXT,
  revoked_at TEXT,
  replaced_by BLOB,
  last_used_at TEXT
) STRICT;
CREATE INDEX api_keys_user ON api_keys (user_id, created_at);

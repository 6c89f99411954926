-- People, their devices and keys, and what they may do.

CREATE TABLE users (
  id uuid PRIMARY KEY,
  email text NOT NULL UNIQUE,
  name text NOT NULL,
  password_hash text,
  verified boolean NOT NULL,
  status text NOT NULL CHECK (status IN ('active', 'disabled')),
  auth_version bigint NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  last_login_at timestamptz,
  deleted_at timestamptz
);

-- An account at Google, Sora2 or another sign-in provider. (provider, subject) is the identity; the address is not.
CREATE TABLE user_identities (
  provider text NOT NULL,
  subject text NOT NULL,
  user_id uuid NOT NULL REFERENCES users (id),
  email text,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (provider, subject)
);
CREATE INDEX user_identities_user ON user_identities (user_id);

CREATE TABLE roles (
  id uuid PRIMARY KEY,
  name text NOT NULL UNIQUE,
  description text NOT NULL,
  is_system boolean NOT NULL,
  rank integer NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);

CREATE TABLE permissions (
  id uuid PRIMARY KEY,
  name text NOT NULL UNIQUE,
  resource text NOT NULL,
  action text NOT NULL,
  description text NOT NULL,
  UNIQUE (resource, action)
);

CREATE TABLE user_roles (
  user_id uuid NOT NULL REFERENCES users (id),
  role_id uuid NOT NULL REFERENCES roles (id),
  assigned_at timestamptz NOT NULL,
  assigned_by uuid,
  PRIMARY KEY (user_id, role_id)
);
CREATE INDEX user_roles_role ON user_roles (role_id);

CREATE TABLE role_permissions (
  role_id uuid NOT NULL REFERENCES roles (id),
  permission_id uuid NOT NULL REFERENCES permissions (id),
  granted_at timestamptz NOT NULL,
  PRIMARY KEY (role_id, permission_id)
);
CREATE INDEX role_permissions_permission ON role_permissions (permission_id);

-- One row per signed-in device. The refresh token is derived from (id, refresh_counter, refresh_salt) and a key that
-- is not in the database, so no token is stored, not even hashed.
CREATE TABLE sessions (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES users (id),
  refresh_counter bigint NOT NULL,
  refresh_salt bytea NOT NULL,
  rotated_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL,
  authenticated_at timestamptz NOT NULL,
  last_used_at timestamptz NOT NULL,
  idle_expires_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz,
  revoke_reason text,
  user_agent text NOT NULL,
  address text NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id, created_at);

-- Mailed one-time secrets: registration, reset, change of address. Only hashes; consumed by one atomic statement.
CREATE TABLE verification_tokens (
  id uuid PRIMARY KEY,
  purpose text NOT NULL CHECK (purpose IN ('register', 'reset_password', 'change_email', 'invite')),
  email text NOT NULL,
  user_id uuid REFERENCES users (id),
  secret_hash bytea NOT NULL UNIQUE,
  code_hash bytea,
  attempts integer NOT NULL,
  payload jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  used_at timestamptz
);
CREATE INDEX verification_tokens_email ON verification_tokens (email, purpose, created_at);
CREATE INDEX verification_tokens_due ON verification_tokens (expires_at);

CREATE TABLE totp_secrets (
  user_id uuid PRIMARY KEY REFERENCES users (id),
  secret_sealed bytea NOT NULL,
  last_step bigint NOT NULL,
  created_at timestamptz NOT NULL,
  confirmed_at timestamptz
);

CREATE TABLE recovery_codes (
  user_id uuid NOT NULL REFERENCES users (id),
  code_hash bytea NOT NULL,
  created_at timestamptz NOT NULL,
  used_at timestamptz,
  PRIMARY KEY (user_id, code_hash)
);

CREATE TABLE api_keys (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES users (id),
  name text NOT NULL,
  key_hash bytea NOT NULL UNIQUE,
  key_prefix text NOT NULL,
  scopes jsonb NOT NULL,
  models jsonb NOT NULL,
  addresses jsonb NOT NULL,
  budget bigint,
  budget_period text CHECK (budget_period IN ('day', 'month', 'total')),
  requests_per_minute integer,
  tokens_per_minute bigint,
  created_at timestamptz NOT NULL,
  expires_at timestamptz,
  revoked_at timestamptz,
  replaced_by uuid,
  last_used_at timestamptz
);
CREATE INDEX api_keys_user ON api_keys (user_id, created_at);

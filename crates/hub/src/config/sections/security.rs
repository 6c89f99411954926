//! Secrets of the hub itself. The embedded hub makes its own and keeps them in `DATA_DIR/secrets.toml`.

use secrecy::SecretString;
use serde::Deserialize;

/// `[security]` in `hub.toml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Security {
    /// Signs tokens and codes; 32 bytes or more, the same in every process. Required with PostgreSQL.
    pub jwt_secret: Option<SecretString>,
    /// Mixed into bcrypt hashes and kept outside the database; 32 bytes or more. Required for bcrypt with PostgreSQL. Never change it
    /// while such hashes are stored.
    pub password_pepper: Option<SecretString>,
}

//! Secrets of the hub itself. The embedded hub makes its own and keeps them in `DATA_DIR/secrets.toml`.

use hub_domain::sessions::TokenAlgorithm;
use secrecy::SecretString;
use serde::Deserialize;

/// `[security]` in `hub.toml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Security {
    /// Signs tokens and codes; 32 bytes or more, the same in every process. Required with PostgreSQL.
    pub jwt_secret: Option<SecretString>,
    /// Another secret whose tokens are accepted: the one just replaced, or the one about to sign.
    pub jwt_secret_previous: Option<SecretString>,
    /// What signs access tokens.
    pub token_algorithm: TokenAlgorithm,
    /// Seals secrets in the database; 32 bytes or more. Without it the embedded hub has its own; on PostgreSQL `jwt_secret` stands in
    /// until that is replaced. Never change it while secrets are sealed with it.
    pub sealing_secret: Option<SecretString>,
    /// Mixed into bcrypt hashes and kept outside the database; 32 bytes or more. Required for bcrypt with PostgreSQL. Never change it
    /// while such hashes are stored.
    pub password_pepper: Option<SecretString>,
}

//! The keys of all tokens and codes, derived from one secret, each for one use only (RFC 8725 §3.8: no key serves two formats).
//!
//! The first secret signs; older ones still verify, so that a secret can be replaced without signing everybody out.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde::Deserialize;

use super::mac::{Key, mac256, sha256};

/// Shortest secret, in bytes (RFC 7518 §3.2: as long as the hash).
const MIN_LENGTH: usize = 32;
/// Words that show a secret was copied from a document.
const PLACEHOLDERS: &[&str] = &[
    "changeme",
    "change-me",
    "change_me",
    "your-",
    "your_",
    "placeholder",
    "example",
    "secret-key",
    "jwt-secret",
    "jwt_secret",
];

/// A secret no hub should run with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Too short.
    #[error("the token secret must have at least 32 bytes")]
    TooShort,
    /// Guessable: a placeholder, or too few different bytes.
    #[error("the token secret is a placeholder or can be guessed; make one with `openssl rand -base64 48`")]
    Guessable,
    /// No key pair could be made of it: a defect.
    #[error("no signing key can be derived from the token secret")]
    Underivable,
}

/// What signs new access tokens. Either kind is accepted, each under its own key names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum TokenAlgorithm {
    /// HMAC with SHA-256: whoever can check can also sign.
    #[default]
    HS256,
    /// Ed25519: others can check with the keys at `/.well-known/jwks.json`, only the hub signs.
    EdDSA,
}

/// Signs and checks access tokens, refresh tokens and codes.
pub struct TokenKeys {
    pub(super) current: KeySet,
    pub(super) older: Vec<KeySet>,
    pub(super) algorithm: TokenAlgorithm,
}

/// One key for access tokens. Its name stands for its algorithm too: a token that names it must be of that kind.
pub(super) struct AccessKey {
    pub(super) kid: String,
    pub(super) algorithm: Algorithm,
    pub(super) signing: EncodingKey,
    pub(super) verifying: DecodingKey,
}

/// What is derived from one secret.
pub(super) struct KeySet {
    pub(super) hs256: AccessKey,
    pub(super) eddsa: AccessKey,
    pub(super) ed25519_public: Vec<u8>,
    pub(super) refresh: Key,
    pub(super) code: Key,
}

impl TokenKeys {
    /// Keys from a secret of at least 32 bytes. Refuses placeholders.
    pub fn new(secret: &[u8]) -> Result<Self, SecretError> {
        Ok(Self { current: KeySet::derive(secret)?, older: Vec::new(), algorithm: TokenAlgorithm::HS256 })
    }

    /// Also accepts what was signed with an earlier secret; nothing new is signed with it.
    pub fn accepting(mut self, earlier: &[u8]) -> Result<Self, SecretError> {
        self.older.push(KeySet::derive(earlier)?);
        Ok(self)
    }

    /// Signs new access tokens with this algorithm.
    pub fn signing_with(mut self, algorithm: TokenAlgorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// The name of the key of new access tokens, which stands in their header.
    pub fn kid(&self) -> &str {
        &self.signing_key().kid
    }

    /// The key of new access tokens.
    pub(super) fn signing_key(&self) -> &AccessKey {
        match self.algorithm {
            TokenAlgorithm::HS256 => &self.current.hs256,
            TokenAlgorithm::EdDSA => &self.current.eddsa,
        }
    }

    /// The key of that name, current or older.
    pub(super) fn access_key(&self, kid: &str) -> Option<&AccessKey> {
        self.all().flat_map(|set| [&set.hs256, &set.eddsa]).find(|key| key.kid == kid)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &KeySet> {
        std::iter::once(&self.current).chain(&self.older)
    }

    /// The stored form of a mailed code. A code has few digits: a plain hash of it could be tried out offline.
    pub(crate) fn code_hash(&self, purpose: &str, email: &str, code: &str) -> [u8; 32] {
        mac256(&self.current.code, &[purpose.as_bytes(), email.as_bytes(), code.as_bytes()])
    }
}

impl KeySet {
    fn derive(secret: &[u8]) -> Result<Self, SecretError> {
        if secret.len() < MIN_LENGTH {
            return Err(SecretError::TooShort);
        }
        let different = secret.iter().collect::<std::collections::HashSet<_>>().len();
        let text = String::from_utf8_lossy(secret).to_lowercase();
        if different < 8 || PLACEHOLDERS.iter().any(|word| text.contains(word)) {
            return Err(SecretError::Guessable);
        }
        let root = sha256(secret);
        let key = |label: &str| mac256(&root, &[label.as_bytes()]);
        let access = key("access-token/1");
        let seed = key("access-token-ed25519/1");
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| SecretError::Underivable)?;
        let private = pair.to_pkcs8v1().map_err(|_| SecretError::Underivable)?;
        let public = pair.public_key().as_ref().to_vec();
        Ok(Self {
            hs256: AccessKey {
                kid: hex::encode(&key("key-id/1")[..4]),
                algorithm: Algorithm::HS256,
                signing: EncodingKey::from_secret(&access),
                verifying: DecodingKey::from_secret(&access),
            },
            eddsa: AccessKey {
                kid: hex::encode(&key("key-id-ed25519/1")[..4]),
                algorithm: Algorithm::EdDSA,
                signing: EncodingKey::from_ed_der(private.as_ref()),
                verifying: DecodingKey::from_ed_der(&public),
            },
            ed25519_public: public,
            refresh: key("refresh-token/1"),
            code: key("mailed-code/1"),
        })
    }
}

impl std::fmt::Debug for TokenKeys {
    /// Only the names of the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.all().map(|set| &set.hs256.kid)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_guessable_secrets_are_refused() {
        assert_eq!(TokenKeys::new(b"0123456789abcdef0123456789abcde").err(), Some(SecretError::TooShort));
        assert_eq!(TokenKeys::new(&[b'a'; 64]).err(), Some(SecretError::Guessable));
        let copied = b"your-super-secret-jwt-key-change-in-production";
        assert_eq!(TokenKeys::new(copied).err(), Some(SecretError::Guessable));
        assert!(TokenKeys::new(b"7Gd2xk0qLw9vPzR4tYb8NcJm5HsEuAfQ").is_ok());
    }

    #[test]
    fn debug_shows_no_key() {
        let keys = TokenKeys::new(b"7Gd2xk0qLw9vPzR4tYb8NcJm5HsEuAfQ").unwrap();
        assert!(format!("{keys:?}").len() < 20);
    }
}

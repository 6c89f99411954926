//! The public keys of the access tokens, for services that check tokens themselves (RFC 7517, RFC 8037).
//!
//! Only Ed25519 has public keys; with HS256 the list is empty, because its key would let anybody sign.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{TokenAlgorithm, TokenKeys};

/// One public key: `kty` OKP, `crv` Ed25519, `alg` EdDSA, `use` sig.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Its name in the header of a token.
    pub kid: String,
    /// The key, base64url.
    pub x: String,
}

impl TokenKeys {
    /// The keys that tokens in force may be signed with, the one for new tokens first.
    pub fn public_keys(&self) -> Vec<PublicKey> {
        if self.algorithm != TokenAlgorithm::EdDSA {
            return Vec::new();
        }
        let shown = |set: &super::token_keys::KeySet| PublicKey {
            kid: set.eddsa.kid.clone(),
            x: URL_SAFE_NO_PAD.encode(&set.ed25519_public),
        };
        self.all().map(shown).collect()
    }
}

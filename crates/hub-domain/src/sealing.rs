//! Seals small secrets that must be read again, such as TOTP secrets and credentials of providers, before they go into the database.
//!
//! The key is derived from material that is kept outside the database and survives a change of the token secret. What is sealed is
//! bound to its context (whose it is, what for), so a sealed value copied into another row does not open there.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};

use crate::sessions::mac256;

/// First byte of everything sealed, so that the form can change one day.
const VERSION: u8 = 1;

/// A secret was not sealed or does not open. Deliberately says no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret cannot be sealed or opened; was the sealing secret changed?")]
pub struct SealError;

/// Seals and opens with AES-256-GCM and random nonces; good for some billions of secrets.
pub struct Sealer {
    key: RandomizedNonceKey,
}

impl Sealer {
    /// A sealer whose key is derived from this root, which serves nothing else unless under another label.
    pub fn new(root: &[u8; 32]) -> Result<Self, SealError> {
        let key = mac256(root, &[b"sealing/1"]);
        Ok(Self { key: RandomizedNonceKey::new(&AES_256_GCM, &key).map_err(|_| SealError)? })
    }

    /// Seals `secret` for `context`, which is not secret and not stored: `totp:<user>`.
    pub fn seal(&self, context: &str, secret: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut text = secret.to_vec();
        let aad = Aad::from(context.as_bytes());
        let nonce = self.key.seal_in_place_append_tag(aad, &mut text).map_err(|_| SealError)?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + text.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.append(&mut text);
        Ok(sealed)
    }

    /// Opens what was sealed for the same context.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (version, rest) = sealed.split_first().ok_or(SealError)?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN).ok_or(SealError)?;
        if *version != VERSION {
            return Err(SealError);
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError)?;
        let mut text = text.to_vec();
        let opened = self.key.open_in_place(nonce, Aad::from(context.as_bytes()), &mut text);
        opened.map(|secret| secret.to_vec()).map_err(|_| SealError)
    }
}

impl std::fmt::Debug for Sealer {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_for_its_context_and_key_only() {
        let sealer = Sealer::new(&[7; 32]).unwrap();
        let text = sealer.seal("totp:ada", b"hush").unwrap();
        assert_eq!(sealer.open("totp:ada", &text).unwrap(), b"hush");
        assert_ne!(text, sealer.seal("totp:ada", b"hush").unwrap(), "each seal has a nonce of its own");
        assert!(!text.windows(4).any(|part| part == b"hush"));
        assert_eq!(sealer.open("totp:eve", &text), Err(SealError));
        assert_eq!(Sealer::new(&[8; 32]).unwrap().open("totp:ada", &text), Err(SealError));
        for index in 0..text.len() {
            let mut altered = text.clone();
            altered[index] ^= 1;
            assert_eq!(sealer.open("totp:ada", &altered), Err(SealError), "byte {index}");
        }
        assert_eq!(sealer.open("totp:ada", &[]), Err(SealError));
    }
}

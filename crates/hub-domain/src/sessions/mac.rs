//! Keyed hashes over several parts. Each part goes in with its length, so that no two different lists collide.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha384};

/// A derived key.
pub(crate) type Key = [u8; 32];

/// HMAC-SHA-256 over the parts.
pub(crate) fn mac256(key: &Key, parts: &[&[u8]]) -> [u8; 32] {
    // HMAC pads a short key with zeros to the block size, so this is the standard construction without a fallible call.
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    for part in parts {
        mac.update(&length(part));
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// HMAC-SHA-384 over one text; 48 bytes are 64 characters of base64, which is what bcrypt can take whole.
pub(crate) fn mac384(key: &Key, text: &[u8]) -> [u8; 48] {
    let mut block = [0_u8; 128];
    block[..key.len()].copy_from_slice(key);
    let mut mac = Hmac::<Sha384>::new(&block.into());
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// SHA-256, for secrets of full entropy that are only looked up.
pub(crate) fn sha256(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

fn length(part: &[u8]) -> [u8; 8] {
    u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_split_into_parts_matters() {
        let key = [7; 32];
        assert_ne!(mac256(&key, &[b"ab", b"c"]), mac256(&key, &[b"a", b"bc"]));
        assert_ne!(mac256(&key, &[b"a"]), mac256(&[8; 32], &[b"a"]));
    }

    #[test]
    fn hmac_sha_384_matches_its_standard() {
        // RFC 4231, test case 2 (key "Jefe", padded by zeros as HMAC does).
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let tag = mac384(&key, b"what do ya want for nothing?");
        assert!(hex::encode(tag).starts_with("af45d2e376484031617f78d2b58a6b1b"));
    }
}

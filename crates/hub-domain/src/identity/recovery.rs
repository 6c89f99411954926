//! Recovery codes: what lets somebody in once who has lost the phone. 80 random bits each, so a plain hash is safe to store.

use data_encoding::BASE32_NOPAD;
use hub_types::{UserId, random_bytes};

use crate::sessions::sha256;

/// How many are made at a time.
pub(super) const COUNT: usize = 10;
/// Random bytes of one code: 16 characters of base32.
const BYTES: usize = 10;
/// Characters of one code without its dashes.
const LENGTH: usize = 16;

/// New codes, as they are shown: `abcd-efgh-ijkl-mnop`.
pub(super) fn make() -> Vec<String> {
    (0..COUNT).map(|_| shown(&BASE32_NOPAD.encode(&random_bytes::<BYTES>()).to_lowercase())).collect()
}

/// The stored form of a code for this account; `None` for text that is no code. Case, dashes and spaces do not matter.
pub(super) fn hash(user: UserId, text: &str) -> Option<[u8; 32]> {
    let plain: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').take(LENGTH + 1).collect();
    let plain = plain.to_uppercase();
    let fits = plain.len() == LENGTH && plain.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7'));
    // With the account in it, equal codes of two accounts would not show.
    fits.then(|| sha256(&[user.0.as_bytes().as_slice(), plain.as_bytes()].concat()))
}

fn shown(code: &str) -> String {
    let mut text = String::with_capacity(code.len() + 3);
    for (index, character) in code.chars().enumerate() {
        if index > 0 && index % 4 == 0 {
            text.push('-');
        }
        text.push(character);
    }
    text
}

#[cfg(test)]
mod tests {
    use hub_types::Clock;

    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let clock = Clock::fixed_at("2026-11-23T10:00:00Z");
        let (ada, eve) = (UserId::new(&clock), UserId::new(&clock));
        let codes = make();
        assert_eq!(codes.iter().collect::<std::collections::HashSet<_>>().len(), COUNT);
        let code = &codes[0];
        assert_eq!((code.len(), code.matches('-').count()), (19, 3));
        let hash_of = hash(ada, code).unwrap();
        assert_eq!(hash(ada, &code.replace('-', " ").to_uppercase()), Some(hash_of));
        assert_ne!(hash(eve, code), Some(hash_of));
        for bad in ["", "123456", "abcd-efgh-ijkl-mno1", "abcd-efgh-ijkl-mnopq"] {
            assert_eq!(hash(ada, bad), None, "{bad}");
        }
    }
}

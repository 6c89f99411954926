//! The session of a waiting device as the cache holds it: the specification's `SessionData`, with hashes where that has secrets.

use std::time::Duration;

use hub_cache::CacheError;
use hub_types::{Timestamp, UserId, random_bytes};
use serde::{Deserialize, Serialize};

use crate::Hub;
use crate::sessions::sha256;

/// Letters and digits that are not mistaken for each other when read aloud or copied: no I, O, 0, 1.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// Characters of a code: 40 random bits, of which five tries see nothing.
const CODE_LENGTH: usize = 8;

/// A waiting device. `verifiedAt` stands in a key of its own, see the module above.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionData {
    /// SHA-256 of the session id, hex.
    pub(super) session_id: String,
    /// Who signed in.
    pub(super) user_id: Option<UserId>,
    /// Their authorisation version at that moment.
    pub(super) auth_version: i64,
    /// With whom they must sign in.
    pub(super) oauth_provider: String,
    /// Keyed hash of the code, hex.
    pub(super) verification_code: Option<String>,
    /// When it ends; never moves.
    pub(super) expires_at: Timestamp,
    /// Who waits.
    pub(super) metadata: Metadata,
}

/// Who waits, and what for.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) user_agent: String,
    pub(super) ip_address: String,
    pub(super) original_request: String,
}

impl SessionData {
    /// The session with this hash, unless it has ended.
    pub(super) async fn find(hub: &Hub, handle: &str) -> Result<Option<Self>, CacheError> {
        if handle.len() != 64 || !handle.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Ok(None);
        }
        let data: Option<Self> = hub.cache.get_json(&key(handle)).await?;
        Ok(data.filter(|data| data.left(hub).is_some()))
    }

    /// Takes the session: of any number of attempts one gets it.
    pub(super) async fn take(hub: &Hub, handle: &str) -> Result<Option<Self>, CacheError> {
        let data: Option<Self> = hub.cache.take_json(&key(handle)).await?;
        Ok(data.filter(|data| data.left(hub).is_some()))
    }

    pub(super) async fn keep(&self, hub: &Hub, handle: &str, left: Duration) -> Result<(), CacheError> {
        hub.cache.put_json(&key(handle), self, left).await
    }

    /// How long it lives; `None` when it has ended.
    pub(super) fn left(&self, hub: &Hub) -> Option<Duration> {
        (self.expires_at - hub.clock.now()).to_std().ok().filter(|left| !left.is_zero())
    }
}

fn key(handle: &str) -> String {
    format!("session:{handle}")
}

/// What stands for a session id in addresses and in the cache.
pub(super) fn handle_of(session_id: &str) -> String {
    hex::encode(sha256(session_id.as_bytes()))
}

/// A new code.
pub(super) fn new_code() -> String {
    random_bytes::<CODE_LENGTH>().iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}

/// A code as it is shown.
pub(super) fn shown(code: &str) -> String {
    let (first, second) = code.split_at(code.len() / 2);
    format!("{first}-{second}")
}

/// A code as a person types it: any case, with or without spaces and hyphens. `None` when it cannot be one.
pub(super) fn typed(text: &str) -> Option<String> {
    if text.len() > 64 {
        return None;
    }
    let code: String =
        text.chars().filter(|c| !c.is_whitespace() && *c != '-').map(|c| c.to_ascii_uppercase()).collect();
    (code.len() == CODE_LENGTH && code.bytes().all(|byte| ALPHABET.contains(&byte))).then_some(code)
}

/// The stored form of a code. It is short: a plain hash could be tried out offline.
pub(super) fn code_hash(hub: &Hub, handle: &str, code: &str) -> String {
    hex::encode(hub.tokens.code_hash("oauth_session", handle, code))
}

/// Where it stands that the code was right. The value is the hash of that code, so that it counts for no other.
pub(super) fn verified_key(handle: &str) -> String {
    format!("session-verified:{handle}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = new_code();
        assert_eq!(typed(&shown(&code)), Some(code.clone()));
        assert_eq!(typed(&format!(" {} ", code.to_lowercase())), Some(code));
        for bad in ["", "ABCD", "ABCD-EFG0", "ABCD-EFGI", "ABCD-EFGH-J", "ÄBCDEFGH"] {
            assert_eq!(typed(bad), None, "{bad}");
        }
        assert_eq!(typed(&"-".repeat(65)), None);
    }
}

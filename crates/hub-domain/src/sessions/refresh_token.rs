//! The refresh token: opaque text that is derived, not stored. `rt_` + base64url(session id ‖ counter ‖ MAC).
//!
//! The MAC covers the session's salt, so a copy of the database without the key makes no token, and the key without the database
//! makes none either.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hub_types::SessionId;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::TokenKeys;
use super::mac::mac256;

const PREFIX: &str = "rt_";
/// 16 bytes of id, 8 of counter, 32 of MAC.
const LENGTH: usize = 56;

/// A refresh token taken apart; not yet proven.
#[derive(Clone)]
pub struct RefreshToken {
    /// The session it claims to belong to.
    pub session: SessionId,
    /// The counter it claims to be made for.
    pub counter: i64,
    tag: [u8; 32],
}

impl RefreshToken {
    /// Takes the text apart; `None` for anything that is not of the right shape.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let bytes: [u8; LENGTH] = bytes.try_into().ok()?;
        let session = SessionId(Uuid::from_slice(bytes.get(..16)?).ok()?);
        let counter = i64::from_be_bytes(bytes.get(16..24)?.try_into().ok()?);
        (counter >= 0).then_some(())?;
        Some(Self { session, counter, tag: bytes.get(24..)?.try_into().ok()? })
    }

    /// True when one of the hub's keys made it for this salt. Takes the same time wherever it differs.
    pub fn is_genuine(&self, keys: &TokenKeys, salt: &[u8]) -> bool {
        keys.all().any(|set| tag(&set.refresh, self.session, self.counter, salt).ct_eq(&self.tag).into())
    }
}

impl std::fmt::Debug for RefreshToken {
    /// Without the MAC.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RefreshToken").field("session", &self.session).finish_non_exhaustive()
    }
}

impl TokenKeys {
    /// The one refresh token of a session at this counter.
    pub(crate) fn refresh_token(&self, session: SessionId, counter: i64, salt: &[u8]) -> String {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend_from_slice(session.0.as_bytes());
        bytes.extend_from_slice(&counter.to_be_bytes());
        bytes.extend_from_slice(&tag(&self.current.refresh, session, counter, salt));
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

fn tag(key: &[u8; 32], session: SessionId, counter: i64, salt: &[u8]) -> [u8; 32] {
    mac256(key, &[session.0.as_bytes(), &counter.to_be_bytes(), salt])
}

#[cfg(test)]
mod tests {
    use hub_types::Clock;
    use proptest::prelude::*;

    use super::*;

    fn keys() -> TokenKeys {
        TokenKeys::new(b"7Gd2xk0qLw9vPzR4tYb8NcJm5HsEuAfQ").unwrap()
    }

    proptest! {
        #[test]
        fn a_token_is_genuine_for_its_own_session_and_counter_only(
            id in any::<u128>(), counter in 0..i64::MAX, salt in any::<[u8; 16]>(), flipped in 3_usize..78,
        ) {
            let session = SessionId(Uuid::from_u128(id));
            let text = keys().refresh_token(session, counter, &salt);
            prop_assert_eq!(text.len(), 3 + 75);
            let token = RefreshToken::parse(&text).unwrap();
            prop_assert_eq!((token.session, token.counter), (session, counter));
            prop_assert!(token.is_genuine(&keys(), &salt));
            prop_assert!(!token.is_genuine(&keys(), b"another salt"));
            prop_assert_eq!(keys().refresh_token(session, counter, &salt), text.clone());
            let mut altered = text.into_bytes();
            altered[flipped] = if altered[flipped] == b'A' { b'B' } else { b'A' };
            let altered = RefreshToken::parse(&String::from_utf8(altered).unwrap());
            prop_assert!(altered.is_none_or(|token| !token.is_genuine(&keys(), &salt)));
        }

        #[test]
        fn any_text_is_taken_apart_or_refused_without_harm(text in ".{0,120}") {
            prop_assert!(RefreshToken::parse(&text).is_none());
        }
    }

    #[test]
    fn a_replaced_secret_keeps_sessions_alive() {
        let session = SessionId::new(&Clock::fixed_at("2026-11-23T10:00:00Z"));
        let token = RefreshToken::parse(&keys().refresh_token(session, 3, b"salt")).unwrap();
        let newer = TokenKeys::new(b"another secret of enough length 42").unwrap();
        assert!(!token.is_genuine(&newer, b"salt"));
        assert!(token.is_genuine(&newer.accepting(b"7Gd2xk0qLw9vPzR4tYb8NcJm5HsEuAfQ").unwrap(), b"salt"));
    }
}

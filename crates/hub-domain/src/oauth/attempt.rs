//! A sign-in that was begun: state, nonce and PKCE verifier stand together in the cache, under a hash of the state and of the browser
//! that began it. Whoever lacks either does not even find it, and whoever has both takes it: it works once.

use hub_types::{SessionId, UserId};
use serde::{Deserialize, Serialize};

use super::{LIFE, ReturnPath, SignInError, is_secret, secret};
use crate::Hub;
use crate::sessions::sha256;

/// The value of the cookie that ties a sign-in to one browser, against answers that somebody else planted (RFC 9700 §4.7).
#[derive(Clone, PartialEq, Eq)]
pub struct Browser(String);

impl Browser {
    /// A browser not seen before.
    #[expect(clippy::new_without_default, reason = "every new one is another one, which `default` would hide")]
    pub fn new() -> Self {
        Self(secret())
    }

    /// The value a browser sent; `None` when it cannot be ours.
    pub fn parse(text: &str) -> Option<Self> {
        is_secret(text).then(|| Self(text.to_owned()))
    }

    /// The cookie's value.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A key of the cache that only this browser with this secret leads to.
    pub(super) fn slot(&self, kind: &str, secret: &str) -> String {
        let both = format!("{secret}.{}", self.0);
        format!("{kind}:{}", hex::encode(sha256(both.as_bytes())))
    }
}

/// What the sign-in is for.
#[derive(Clone, Serialize, Deserialize)]
pub(super) enum Purpose {
    /// A session for this browser.
    SignIn {
        /// Where the browser goes then.
        return_to: ReturnPath,
    },
    /// A device that waits, by the hash of its secret.
    Device {
        /// The hash.
        session: String,
    },
    /// A further way to sign in for somebody who is signed in.
    Link {
        /// Who.
        user: UserId,
        /// By which session; it must still live at the end.
        session: SessionId,
        /// Where the browser goes then.
        return_to: ReturnPath,
    },
}

/// A sign-in that was begun.
#[derive(Serialize, Deserialize)]
pub(super) struct Attempt {
    pub(super) provider: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
    pub(super) purpose: Purpose,
}

impl Attempt {
    pub(super) fn new(provider: &str, purpose: Purpose) -> Self {
        Self { provider: provider.to_owned(), nonce: secret(), verifier: secret(), purpose }
    }

    /// Keeps it for ten minutes; returns the state that leads back to it.
    pub(super) async fn keep(&self, hub: &Hub, browser: &Browser) -> Result<String, SignInError> {
        let state = secret();
        hub.cache.put_json(&browser.slot("oauth-state", &state), self, LIFE).await?;
        Ok(state)
    }

    /// Takes it: of any number of callbacks one gets it.
    pub(super) async fn take(hub: &Hub, browser: &Browser, state: &str) -> Result<Self, SignInError> {
        if !is_secret(state) {
            return Err(SignInError::Stale);
        }
        hub.cache.take_json(&browser.slot("oauth-state", state)).await?.ok_or(SignInError::Stale)
    }
}

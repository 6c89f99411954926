//! Signed-in devices: one session each, with a short access token and a rotating refresh token.
//!
//! The session row is the truth; a token only points at it. Nothing here trusts what a token says about rights.

mod access_token;
mod fresh;
mod impersonate;
mod jwks;
mod mac;
mod manage;
mod open;
mod refresh;
mod refresh_token;
mod renew;
mod token_keys;

use chrono::Duration;
use hub_types::{Caller, Email, UserId};
use serde::Deserialize;

pub use access_token::{Claims, TokenError};
pub use fresh::{FRESH, FreshError, require_fresh};
pub use impersonate::{ImpersonateError, Impersonation, impersonate};
pub use jwks::PublicKey;
pub use manage::{Device, LogoutScope, SessionError, list, logout, revoke};
pub use open::IssueError;
pub(crate) use open::{issue, open};
pub use refresh::{RefreshError, refresh};
pub use refresh_token::RefreshToken;
pub use token_keys::{SecretError, TokenAlgorithm, TokenKeys};

pub(crate) use mac::{mac256, mac384, sha256};
pub(crate) use renew::renew;

/// `[sessions]` in `hub.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Seconds an access token lives; 30 to 3600.
    pub access_seconds: i64,
    /// Days after which an unused session ends.
    pub idle_days: i64,
    /// Days after which every session ends.
    pub absolute_days: i64,
    /// Seconds during which the refresh token just replaced still gives its successor, for answers that were lost.
    pub grace_seconds: i64,
    /// Live sessions per user; the least recently used ones beyond it end.
    pub per_user: i64,
    /// Minutes an administrator may look at the hub as somebody else; at most 60.
    pub impersonation_minutes: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            access_seconds: 900,
            idle_days: 7,
            absolute_days: 30,
            grace_seconds: 10,
            per_user: 50,
            impersonation_minutes: 15,
        }
    }
}

impl Settings {
    pub(crate) fn access(&self) -> Duration {
        Duration::seconds(self.access_seconds)
    }

    pub(crate) fn idle(&self) -> Duration {
        Duration::days(self.idle_days)
    }

    pub(crate) fn absolute(&self) -> Duration {
        Duration::days(self.absolute_days)
    }

    pub(crate) fn grace(&self) -> Duration {
        Duration::seconds(self.grace_seconds)
    }
}

/// What a client may know about the account it is signed in to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserView {
    /// The account.
    pub id: UserId,
    /// Its address.
    pub email: Email,
    /// Display name, may be empty.
    pub name: String,
    /// Names of all roles, mightiest first.
    pub roles: Vec<String>,
    /// Names of everything they permit.
    pub permissions: Vec<String>,
    /// True when the address was proven.
    pub verified: bool,
}

impl From<&Caller> for UserView {
    fn from(caller: &Caller) -> Self {
        Self {
            id: caller.user,
            email: caller.email.clone(),
            name: caller.name.clone(),
            roles: caller.roles.to_vec(),
            permissions: caller.permissions.to_vec(),
            verified: caller.verified,
        }
    }
}

/// What a sign-in or refresh gives the client.
#[derive(Clone)]
pub struct Tokens {
    /// The JWT for `Authorization: Bearer`.
    pub access_token: String,
    /// The opaque text for the next refresh; works once.
    pub refresh_token: String,
    /// Seconds the access token lives.
    pub expires_in: i64,
    /// Seconds until the refresh token is void if unused: the life of its cookie.
    pub refresh_expires_in: i64,
    /// Who signed in.
    pub user: UserView,
}

impl std::fmt::Debug for Tokens {
    /// Without the tokens.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("user", &self.user.id).finish_non_exhaustive()
    }
}

//! Why a request was turned away: a short-lived note under its request id, for the administrator whom its owner asks.
//!
//! A note says what the answer said (code, words, numbers of the gate) and never more. It lives a day in the cache and may be gone before;
//! the audit trail is the place for what must stay. Notes per account are bounded, so that a flood of refusals cannot fill the cache.

use std::time::Duration;

use hub_cache::CacheError;
use hub_types::{Caller, Permission, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::rbac::Denied;
use crate::{Hub, rbac};

/// How long a note lives.
const LIFE: Duration = Duration::from_hours(24);
/// Notes of one account in a minute; more are not written.
const PER_MINUTE: u32 = 60;
/// The longest request id looked for, in bytes.
const LONGEST: usize = 200;

/// A request that was turned away.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Denial {
    /// When.
    pub at: Timestamp,
    /// Whose credential, where it is known.
    pub user: Option<UserId>,
    /// The code in the answer.
    pub code: String,
    /// The sentence in the answer.
    pub message: String,
    /// The permission that was lacking, where that is why.
    pub permission: Option<String>,
    /// The details in the answer: which gate, and its numbers.
    pub details: Option<Value>,
}

/// Why no note is shown.
#[derive(Debug, thiserror::Error)]
pub enum DenialError {
    /// The caller lacks `audit:read`.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// No request of that id was turned away within a day, or its note is gone.
    #[error("no such denial")]
    NotFound,
    /// The cache failed.
    #[error("the cache failed")]
    Cache(#[from] CacheError),
}

/// Keeps a note. The answer to the caller does not wait for its success: what fails here is only not explained later.
pub async fn note(hub: &Hub, request_id: &str, denial: &Denial) {
    let account = denial.user.map_or_else(|| "unknown".to_owned(), |user| user.to_string());
    let room = hub.cache.admit(&format!("denials:{account}"), PER_MINUTE, Duration::from_mins(1)).await;
    if room.is_ok_and(|window| window.allowed)
        && let Err(error) = hub.cache.put_json(&slot(request_id), denial, LIFE).await
    {
        tracing::debug!(%error, "a denial could not be noted");
    }
}

/// The note about a request. Needs `audit:read`.
pub async fn find(hub: &Hub, caller: &Caller, request_id: &str) -> Result<Denial, DenialError> {
    rbac::require(caller, Permission::AuditRead)?;
    if request_id.len() > LONGEST {
        return Err(DenialError::NotFound);
    }
    hub.cache.get_json(&slot(request_id)).await?.ok_or(DenialError::NotFound)
}

fn slot(request_id: &str) -> String {
    format!("denial:{request_id}")
}

//! Requests per minute by role (spec, API Gateway): exact across processes, because the window is counted in the shared cache.
//!
//! A caller is limited as a person: all sessions and keys of a user share one window, with
//! the role's limit or one that an administrator set for this user. A key may have a limit of its own beside it. Who presents nothing, or something that does
//! not verify, is limited by address. While the shared cache is gone each process counts for itself.

mod of_user;

use std::time::Duration;

use hub_cache::Window;
use hub_types::{Caller, Credits, RateTier};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Hub;
use crate::inference::Ceilings;

pub use of_user::{LimitState, of_user, set_of_user};

const WINDOW: Duration = Duration::from_mins(1);

/// `[limits]` in `hub.toml`: requests per minute. 0 lifts a limit.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Without a valid credential, by address; and for users with only the guest role.
    pub guest_per_minute: u32,
    /// Members.
    pub user_per_minute: u32,
    /// Managers.
    pub manager_per_minute: u32,
    /// Administrators; 0 by the spec: no limit on ordinary calls.
    pub admin_per_minute: u32,
    /// What the users of each role may spend and use.
    pub roles: Roles,
    /// What a model may be asked at most, by all processes together.
    pub models: Vec<ModelLimits>,
}

/// `[limits.roles]`: the highest role of a user decides; a custom role counts as `user`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Roles {
    /// Users with only the guest role.
    pub guest: RoleLimits,
    /// Members.
    pub user: RoleLimits,
    /// Managers.
    pub manager: RoleLimits,
    /// Administrators.
    pub admin: RoleLimits,
}

/// `[limits.roles.<role>]`: for each user of the role. 0, the default of all, means no limit.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoleLimits {
    /// Credits a user may spend on calls per day (UTC).
    pub credits_per_day: Credits,
    /// Credits a user may spend on calls per month (UTC).
    pub credits_per_month: Credits,
    /// Tokens of model calls in any 60 seconds, prompt and answer.
    pub tokens_per_minute: u32,
    /// Model calls at the same time.
    pub concurrent_calls: u32,
}

impl Roles {
    /// Those of a tier.
    pub const fn of(&self, tier: RateTier) -> &RoleLimits {
        match tier {
            RateTier::Guest => &self.guest,
            RateTier::User => &self.user,
            RateTier::Manager => &self.manager,
            RateTier::Admin => &self.admin,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            guest_per_minute: 10,
            user_per_minute: 60,
            manager_per_minute: 120,
            admin_per_minute: 0,
            roles: Roles::default(),
            models: Vec::new(),
        }
    }
}

/// One entry of `[[limits.models]]`. 0, the default of all, means no limit.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelLimits {
    /// The model, as it is asked for.
    pub model: String,
    /// Calls at the same time.
    #[serde(default)]
    pub max_concurrent: u32,
    /// Calls in any 60 seconds.
    #[serde(default)]
    pub requests_per_minute: u32,
    /// Tokens in any 60 seconds, prompt and answer.
    #[serde(default)]
    pub tokens_per_minute: u32,
}

impl Settings {
    /// What this model may be asked at most.
    pub(crate) fn of_model(&self, model: &str) -> Ceilings {
        self.models.iter().find(|limits| limits.model == model).map_or_else(Ceilings::default, |limits| Ceilings {
            max_concurrent: limits.max_concurrent,
            requests_per_minute: limits.requests_per_minute,
            tokens_per_minute: limits.tokens_per_minute,
        })
    }

    const fn of(&self, tier: RateTier) -> u32 {
        match tier {
            RateTier::Guest => self.guest_per_minute,
            RateTier::User => self.user_per_minute,
            RateTier::Manager => self.manager_per_minute,
            RateTier::Admin => self.admin_per_minute,
        }
    }
}

/// Where somebody stands in a limit of requests, after one was counted.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    /// The numbers, and whether the request was admitted.
    pub window: Window,
    /// Whose window it is: `key`, `user` or `address`.
    pub scope: &'static str,
}

impl Counted {
    /// What a refusal tells: which gate, whose window, and the limit.
    pub fn details(&self) -> Value {
        json!({ "gate": "requests_per_minute", "scope": self.scope, "limit": self.window.limit })
    }
}

/// Counts one request of a verified caller: in the window of the key's line, if that has one, and in the user's. Both must admit it; the
/// one that refuses, or else the one with less left, is returned. `None`: no limit applies.
pub async fn count_caller(hub: &Hub, caller: &Caller) -> Option<Counted> {
    let line = caller.line.and_then(|line| Some((line.id, line.limits.requests_per_minute?)));
    let of_key = match line {
        Some((line, limit)) => count(hub, &format!("limit:key:{line}"), limit, "key").await,
        None => None,
    };
    // A request that the key's own limit refuses costs the user nothing.
    if of_key.is_some_and(|counted| !counted.window.allowed) {
        return of_key;
    }
    let limit = caller.limits.requests_per_minute.unwrap_or_else(|| hub.settings.limits.of(caller.tier));
    let of_user = count(hub, &format!("limit:user:{}", caller.user), limit, "user").await;
    let tighter = |counted: &Counted| (counted.window.allowed, counted.window.remaining);
    of_key.into_iter().chain(of_user).min_by_key(tighter)
}

/// Counts one request of somebody unknown. `subject` is the address as the edge groups it (IPv6 by /64).
pub async fn count_address(hub: &Hub, subject: &str) -> Option<Counted> {
    count(hub, &format!("limit:address:{subject}"), hub.settings.limits.guest_per_minute, "address").await
}

async fn count(hub: &Hub, key: &str, limit: u32, scope: &'static str) -> Option<Counted> {
    if limit == 0 {
        return None;
    }
    let window = match hub.cache.admit(key, limit, WINDOW).await {
        Ok(window) => Some(window),
        Err(error) => {
            tracing::warn!(%error, "the cache is gone, limits are counted per process");
            hub.local.admit(key, limit, WINDOW).await.ok()
        }
    };
    window.map(|window| Counted { window, scope })
}

//! Switching a provider on and off, its priority, its ceilings, what it speaks. One of the settings can be changed so as well.

use hub_store::providers::{self as store, ProviderRow};
use hub_types::{Caller, Permission};
use serde_json::json;

use super::{ProvidersError, check, load};
use crate::audit::{self, Event};
use crate::inference::{Ceilings, Configured, Dialect, Wire};
use crate::{Hub, Origin, rbac};

/// What is to be changed; what is absent stays as it is.
#[derive(Debug, Clone, Default)]
pub struct ProviderChange {
    /// Whether it is used.
    pub enabled: Option<bool>,
    /// Lower ones are tried first.
    pub priority: Option<i32>,
    /// Calls at the same time; 0 lifts it.
    pub max_concurrent: Option<u32>,
    /// Calls per minute; 0 lifts it.
    pub requests_per_minute: Option<u32>,
    /// Tokens per minute; 0 lifts it.
    pub tokens_per_minute: Option<u32>,
    /// The wires it speaks; `Some(None)`: as the settings say, and else what is usual of its kind.
    pub wires: Option<Option<Vec<Wire>>>,
    /// Types of tools it may run itself; `Some(None)`: as the settings say, and else none.
    pub hosted_tools: Option<Option<Vec<String>>>,
}

/// Changes a provider; needs `providers:update`. Running calls are not touched.
pub async fn update(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    name: &str,
    change: ProviderChange,
) -> Result<(), ProvidersError> {
    rbac::require(caller, Permission::ProvidersUpdate)?;
    change.priority.map_or(Ok(()), check::priority)?;
    check::ceilings(Ceilings {
        max_concurrent: change.max_concurrent.unwrap_or(0),
        requests_per_minute: change.requests_per_minute.unwrap_or(0),
        tokens_per_minute: change.tokens_per_minute.unwrap_or(0),
    })?;
    let mut tx = hub.store.write().await?;
    store::begin_change(&mut tx).await?;
    let configured = hub.providers.configured().iter().find(|provider| provider.name == name);
    let row = store::all(&mut tx).await?.into_iter().find(|row| row.name == name);
    let old = match (row, configured) {
        (Some(row), _) if row.kind.is_some() || configured.is_some() => row,
        (_, Some(configured)) => unchanged(configured),
        (_, None) => return Err(ProvidersError::UnknownProvider),
    };
    let kind = configured.map(|provider| provider.kind).or_else(|| load::kind(old.kind.as_deref()?));
    let given = Dialect {
        wires: change.wires.clone().flatten(),
        hosted_tools: change.hosted_tools.clone().flatten().unwrap_or_default(),
    };
    check::dialect(&given, kind.ok_or(ProvidersError::UnknownProvider)?)?;
    let new = ProviderRow {
        enabled: change.enabled.unwrap_or(old.enabled),
        priority: change.priority.or(old.priority),
        max_concurrent: change.max_concurrent.map(i64::from).or(old.max_concurrent),
        requests_per_minute: change.requests_per_minute.map(i64::from).or(old.requests_per_minute),
        tokens_per_minute: change.tokens_per_minute.map(i64::from).or(old.tokens_per_minute),
        wires: change.wires.map_or(old.wires, |wires| wires.as_deref().map(Wire::words)),
        hosted_tools: change.hosted_tools.unwrap_or(old.hosted_tools),
        ..old
    };
    store::put(&mut tx, &new, hub.clock.now()).await?;
    let event = Event::new("provider.updated").by(caller).on("provider", name).details(json!({
        "enabled": new.enabled, "priority": new.priority, "maxConcurrent": new.max_concurrent,
        "requestsPerMinute": new.requests_per_minute, "tokensPerMinute": new.tokens_per_minute,
        "wires": new.wires, "hostedTools": new.hosted_tools,
    }));
    audit::record(hub, &mut tx, origin, event).await?;
    tx.commit().await?;
    Ok(load::changed(hub).await?)
}

/// The row of a provider of the settings of which nothing was changed yet.
fn unchanged(configured: &Configured) -> ProviderRow {
    ProviderRow {
        name: configured.name.clone(),
        kind: None,
        service: configured.service.clone(),
        base_url: configured.base_url.clone(),
        priority: None,
        enabled: true,
        max_concurrent: None,
        requests_per_minute: None,
        tokens_per_minute: None,
        wires: None,
        hosted_tools: None,
    }
}

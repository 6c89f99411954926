//! Adding a provider, or writing one anew that was added so.

use hub_store::providers::{self as store, ProviderRow};
use hub_types::{Caller, Permission};
use serde_json::json;

use super::check::{self, MOST_PROVIDERS, usual_address};
use super::{ProvidersError, load};
use crate::audit::{self, Event};
use crate::inference::{Dialect, ProviderKind, USUAL_PRIORITY, Wire};
use crate::{Hub, Origin, rbac};

/// A provider as asked for.
#[derive(Debug, Clone)]
pub struct NewProvider {
    /// `openai`, `anthropic` or `compatible`.
    pub kind: ProviderKind,
    /// Its address; without one the usual address of the kind.
    pub base_url: Option<String>,
    /// The word under which its models have prices; without one `openai`, `claude`, or the name.
    pub service: Option<String>,
    /// Lower ones are tried first; without one that of the settings' providers.
    pub priority: Option<i32>,
    /// What it speaks; where it says nothing, what is usual of the kind.
    pub dialect: Dialect,
}

/// Adds the provider, or writes it anew; true when it is new. Needs `providers:update`. Whether it is used and its ceilings stay. Its
/// address cannot change while it has credentials: whoever may do this must not get to see them.
pub async fn put(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    name: &str,
    new: NewProvider,
) -> Result<bool, ProvidersError> {
    rbac::require(caller, Permission::ProvidersUpdate)?;
    check::word("name", name)?;
    if hub.providers.configured().iter().any(|provider| provider.name == name) || name == "sandbox" {
        return Err(ProvidersError::Settings);
    }
    let row = row(hub, name, new)?;
    let mut tx = hub.store.write().await?;
    store::begin_change(&mut tx).await?;
    let all = store::all(&mut tx).await?;
    let old = all.iter().find(|old| old.name == name && old.kind.is_some());
    if old.is_none() && all.len() >= MOST_PROVIDERS {
        return Err(ProvidersError::TooMany);
    }
    let row = match old {
        None => row,
        Some(old) => {
            let moved = (&old.base_url, &old.kind) != (&row.base_url, &row.kind);
            if moved && store::credentials(&mut tx).await?.iter().any(|credential| credential.provider == name) {
                return Err(ProvidersError::BoundToAddress);
            }
            ProviderRow {
                kind: row.kind,
                base_url: row.base_url,
                service: row.service,
                priority: row.priority,
                wires: row.wires,
                hosted_tools: row.hosted_tools,
                ..old.clone()
            }
        }
    };
    store::put(&mut tx, &row, hub.clock.now()).await?;
    let action = if old.is_some() { "provider.updated" } else { "provider.created" };
    let event = Event::new(action).by(caller).on("provider", name).details(json!({
        "kind": row.kind, "baseUrl": row.base_url, "service": row.service, "priority": row.priority, "wires": row.wires,
        "hostedTools": row.hosted_tools,
    }));
    audit::record(hub, &mut tx, origin, event).await?;
    tx.commit().await?;
    load::changed(hub).await?;
    Ok(old.is_none())
}

fn row(hub: &Hub, name: &str, new: NewProvider) -> Result<ProviderRow, ProvidersError> {
    let invalid = |field, message| ProvidersError::Invalid { field, message };
    if new.kind == ProviderKind::Sandbox {
        return Err(invalid("kind", "must be openai, anthropic or compatible"));
    }
    let base_url = match (new.base_url.as_deref(), usual_address(new.kind)) {
        (Some(text), _) => text,
        (None, Some(usual)) => usual,
        (None, None) => return Err(invalid("baseUrl", "is needed for this kind")),
    };
    let base_url = check::address(base_url, hub.settings.inference.providers_at_private_addresses)?;
    let service = new.service.unwrap_or_else(|| match new.kind {
        ProviderKind::Openai => "openai".to_owned(),
        ProviderKind::Anthropic => "claude".to_owned(),
        ProviderKind::Compatible | ProviderKind::Sandbox => name.to_owned(),
    });
    check::word("service", &service)?;
    let priority = new.priority.unwrap_or(USUAL_PRIORITY);
    check::priority(priority)?;
    check::dialect(&new.dialect, new.kind)?;
    Ok(ProviderRow {
        name: name.to_owned(),
        kind: Some(new.kind.as_str().to_owned()),
        service,
        base_url,
        priority: Some(priority),
        enabled: true,
        max_concurrent: None,
        requests_per_minute: None,
        tokens_per_minute: None,
        wires: new.dialect.wires.as_deref().map(Wire::words),
        hosted_tools: Some(new.dialect.hosted_tools).filter(|tools| !tools.is_empty()),
    })
}

//! Adding, changing and taking away the credentials of a provider, one of the settings' providers included.

use hub_store::StoreError;
use hub_store::providers::{self as store, CredentialRow};
use hub_types::{Caller, CredentialId, Permission};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::check::{self, MOST_CREDENTIALS};
use super::{ProvidersError, load};
use crate::audit::{self, Event};
use crate::inference::hint;
use crate::{Hub, Origin, rbac};

/// A credential to be added.
#[derive(Debug, Clone)]
pub struct NewCredential {
    /// The administrator's name for it.
    pub label: String,
    /// The secret.
    pub secret: SecretString,
    /// Its part among those of the same priority; 1 to 1000.
    pub weight: u32,
    /// Lower ones are tried first; 0 to 1000.
    pub priority: i32,
}

/// What is to be changed; what is absent stays as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct CredentialChange {
    /// Its part among those of the same priority.
    pub weight: Option<u32>,
    /// Lower ones are tried first.
    pub priority: Option<i32>,
    /// Whether it is used.
    pub enabled: Option<bool>,
}

/// Adds a credential; needs `providers:update`. It is good for the provider's present address only.
pub async fn add(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    provider: &str,
    new: NewCredential,
) -> Result<(), ProvidersError> {
    rbac::require(caller, Permission::ProvidersUpdate)?;
    check::word("label", &new.label)?;
    check::secret(new.secret.expose_secret())?;
    check::weight(new.weight)?;
    check::priority(new.priority)?;
    let mut tx = hub.store.write().await?;
    store::begin_change(&mut tx).await?;
    let configured = hub.providers.configured().iter().find(|configured| configured.name == provider);
    let base_url = match configured {
        Some(configured) if configured.make.is_none() => return Err(ProvidersError::Settings),
        Some(configured) => {
            if configured.members.iter().any(|member| member.label.as_deref() == Some(&new.label)) {
                return Err(ProvidersError::Taken);
            }
            configured.base_url.clone()
        }
        None => {
            let row = store::all(&mut tx).await?.into_iter().find(|row| row.name == provider && row.kind.is_some());
            row.ok_or(ProvidersError::UnknownProvider)?.base_url
        }
    };
    let all = store::credentials(&mut tx).await?;
    if all.iter().filter(|row| row.provider == provider).count() >= MOST_CREDENTIALS {
        return Err(ProvidersError::TooMany);
    }
    let mut row = CredentialRow {
        id: CredentialId::new(&hub.clock).0,
        provider: provider.to_owned(),
        label: new.label,
        base_url: Some(base_url.clone()),
        secret_sealed: Vec::new(),
        hint: hint(new.secret.expose_secret()),
        weight: i32::try_from(new.weight).unwrap_or(1),
        priority: new.priority,
        enabled: true,
    };
    let context = load::context(provider, &base_url, &row);
    row.secret_sealed = hub.sealer.seal(&context, new.secret.expose_secret().as_bytes())?;
    match store::add_credential(&mut tx, &row, hub.clock.now()).await {
        Err(StoreError::Duplicate(_)) => return Err(ProvidersError::Taken),
        other => other?,
    }
    let details = json!({ "credential": row.label, "weight": row.weight, "priority": row.priority });
    let event = Event::new("provider.credential_added").by(caller).on("provider", provider).details(details);
    audit::record(hub, &mut tx, origin, event).await?;
    tx.commit().await?;
    Ok(load::changed(hub).await?)
}

/// Changes a credential; needs `providers:update`. Its secret never changes: add another and delete this one.
pub async fn update(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    (provider, label): (&str, &str),
    change: CredentialChange,
) -> Result<(), ProvidersError> {
    rbac::require(caller, Permission::ProvidersUpdate)?;
    change.weight.map_or(Ok(()), check::weight)?;
    change.priority.map_or(Ok(()), check::priority)?;
    let mut tx = hub.store.write().await?;
    store::begin_change(&mut tx).await?;
    let all = store::credentials(&mut tx).await?;
    let old = all.into_iter().find(|row| row.provider == provider && row.label == label);
    let old = old.ok_or_else(|| missing(hub, provider, label))?;
    let new = CredentialRow {
        weight: change.weight.map_or(old.weight, |weight| i32::try_from(weight).unwrap_or(old.weight)),
        priority: change.priority.unwrap_or(old.priority),
        enabled: change.enabled.unwrap_or(old.enabled),
        ..old
    };
    store::set_credential(&mut tx, &new, hub.clock.now()).await?;
    let event = Event::new("provider.credential_updated").by(caller).on("provider", provider).details(json!({
        "credential": label, "weight": new.weight, "priority": new.priority, "enabled": new.enabled,
    }));
    audit::record(hub, &mut tx, origin, event).await?;
    tx.commit().await?;
    Ok(load::changed(hub).await?)
}

/// Deletes a credential; needs `providers:update`. Calls that run under it go on.
pub async fn delete(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    (provider, label): (&str, &str),
) -> Result<(), ProvidersError> {
    rbac::require(caller, Permission::ProvidersUpdate)?;
    let mut tx = hub.store.write().await?;
    store::begin_change(&mut tx).await?;
    if !store::delete_credential(&mut tx, provider, label).await? {
        return Err(missing(hub, provider, label));
    }
    let event = Event::new("provider.credential_deleted").by(caller).on("provider", provider);
    audit::record(hub, &mut tx, origin, event.details(json!({ "credential": label }))).await?;
    tx.commit().await?;
    Ok(load::changed(hub).await?)
}

/// Why there is no such row: the settings have it, or nobody does.
fn missing(hub: &Hub, provider: &str, label: &str) -> ProvidersError {
    let mut configured = hub.providers.configured().iter().filter(|configured| configured.name == provider);
    let fixed = configured.any(|configured| configured.members.iter().any(|m| m.label.as_deref() == Some(label)));
    if fixed { ProvidersError::Settings } else { ProvidersError::UnknownCredential }
}

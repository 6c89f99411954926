//! The providers as administrators see them.

use hub_types::{Caller, Permission};

use super::{ProvidersError, load};
use crate::inference::{Ceilings, Dialect, Member, Pool, ProviderKind};
use crate::{Hub, rbac};

/// A provider.
#[derive(Debug, Clone)]
pub struct ProviderInfo {
    /// Its name.
    pub name: String,
    /// The word under which its models have prices.
    pub service: String,
    /// The protocol.
    pub kind: ProviderKind,
    /// Its address; empty for one without.
    pub base_url: String,
    /// True when it is in the settings.
    pub from_settings: bool,
    /// Whether it is used.
    pub enabled: bool,
    /// `ready`, `disabled`, `no_credential` or `unusable`.
    pub state: &'static str,
    /// Lower ones are tried first.
    pub priority: i32,
    /// What it may be asked at most.
    pub ceilings: Ceilings,
    /// What is said of what it speaks, by an administrator and else by the settings.
    pub dialect: Dialect,
    /// Its credentials.
    pub credentials: Vec<CredentialInfo>,
    /// The models that have a price for its service.
    pub models: Vec<String>,
}

/// A credential, without its secret.
#[derive(Debug, Clone)]
pub struct CredentialInfo {
    /// Its name.
    pub label: String,
    /// The last characters of the secret, or nothing.
    pub hint: String,
    /// Its part among those of the same priority.
    pub weight: u32,
    /// Lower ones are tried first.
    pub priority: i32,
    /// Whether it is used.
    pub enabled: bool,
    /// True when it is in the settings.
    pub from_settings: bool,
    /// `ready`, `disabled` or `unusable`.
    pub state: &'static str,
}

/// Every provider, best first. Needs `providers:update`.
pub async fn list(hub: &Hub, caller: &Caller) -> Result<Vec<ProviderInfo>, ProvidersError> {
    rbac::require(caller, Permission::ProvidersUpdate)?;
    load::refresh(hub).await?;
    Ok(hub.providers.pools().iter().map(|pool| info(hub, pool)).collect())
}

/// One provider. Needs `providers:update`.
pub async fn of(hub: &Hub, caller: &Caller, name: &str) -> Result<ProviderInfo, ProvidersError> {
    let all = list(hub, caller).await?;
    all.into_iter().find(|provider| provider.name == name).ok_or(ProvidersError::UnknownProvider)
}

fn info(hub: &Hub, pool: &Pool) -> ProviderInfo {
    let priced = hub.prices.all_current(hub.clock.now());
    let state = match () {
        () if !pool.enabled => "disabled",
        () if pool.usable().next().is_some() => "ready",
        () if pool.members.is_empty() => "no_credential",
        () => "unusable",
    };
    ProviderInfo {
        name: pool.name.clone(),
        service: pool.service.clone(),
        kind: pool.kind,
        base_url: pool.base_url.clone(),
        from_settings: pool.from_settings,
        enabled: pool.enabled,
        state,
        priority: pool.priority,
        ceilings: pool.ceilings,
        dialect: pool.dialect.clone(),
        credentials: pool.members.iter().filter_map(credential).collect(),
        models: priced.iter().filter(|p| p.service == pool.service).map(|p| p.model.clone()).collect(),
    }
}

/// `None` for a provider that needs no credential.
fn credential(member: &Member) -> Option<CredentialInfo> {
    Some(CredentialInfo {
        label: member.label.as_deref()?.to_owned(),
        hint: member.hint.clone(),
        weight: member.weight,
        priority: member.priority,
        enabled: member.enabled,
        from_settings: member.sealed.is_none(),
        state: match (member.enabled, member.provider.is_some()) {
            (false, _) => "disabled",
            (true, true) => "ready",
            (true, false) => "unusable",
        },
    })
}

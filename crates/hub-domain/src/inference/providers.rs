//! How the providers stand: for whoever wonders why calls fail. No addresses, no credentials.

use hub_types::{Caller, Permission, Timestamp};

use super::breaker::{self, BreakerState};
use super::registry::health_key;
use super::{InferenceError, retry};
use crate::{Hub, rbac};

/// One provider as lists show it.
#[derive(Debug, Clone)]
pub struct ProviderState {
    /// The operator's name for it.
    pub name: String,
    /// Service word of its models.
    pub service: String,
    /// The operator's name for the credential, where it has one; for those who manage providers only.
    pub credential: Option<String>,
    /// Its breaker.
    pub breaker: BreakerState,
    /// It limits our rate until then.
    pub paused_until: Option<Timestamp>,
}

/// The providers of this hub, best first, as this process knows them.
pub async fn providers(hub: &Hub, caller: &Caller) -> Result<Vec<ProviderState>, InferenceError> {
    rbac::require(caller, Permission::ModelsRead)?;
    let named = caller.may(Permission::ProvidersUpdate);
    let mut states = Vec::new();
    for pool in hub.providers.pools().iter() {
        for member in pool.usable() {
            let key = health_key(&pool.name, member.label.as_deref());
            states.push(ProviderState {
                name: pool.name.clone(),
                service: pool.service.clone(),
                // The names of credentials are the operator's own business.
                credential: member.label.as_deref().filter(|_| named).map(str::to_owned),
                breaker: breaker::state(hub, &key).await,
                paused_until: retry::paused_until(hub, &key).await,
            });
        }
    }
    Ok(states)
}

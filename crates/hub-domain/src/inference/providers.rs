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
    /// The operator's name for the credential, where it has several.
    pub credential: Option<String>,
    /// Its breaker.
    pub breaker: BreakerState,
    /// It limits our rate until then.
    pub paused_until: Option<Timestamp>,
}

/// The providers of this hub, best first, as this process knows them.
pub async fn providers(hub: &Hub, caller: &Caller) -> Result<Vec<ProviderState>, InferenceError> {
    rbac::require(caller, Permission::ModelsRead)?;
    let mut states = Vec::new();
    for provider in hub.providers.providers() {
        let key = health_key(provider.name(), None);
        states.push(ProviderState {
            name: provider.name().to_owned(),
            service: provider.service().to_owned(),
            credential: None,
            breaker: breaker::state(hub, &key).await,
            paused_until: retry::paused_until(hub, &key).await,
        });
    }
    Ok(states)
}

//! Trying a provider out: is it there, and does it take each credential? Asks for its list of models, which costs nothing.

use std::time::Duration;

use hub_types::{Caller, Permission};
use tokio::time::{Instant, timeout};

use super::{ProvidersError, load};
use crate::{Hub, rbac};

/// The most one credential is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Credentials tried at once.
const MOST: usize = 20;

/// What came of one credential.
#[derive(Debug, Clone)]
pub struct Tried {
    /// Its name; `None` for a provider that needs none.
    pub credential: Option<String>,
    /// Whether the provider took it.
    pub ok: bool,
    /// How long it took.
    pub milliseconds: i64,
    /// Models the provider lists for it.
    pub models: Option<usize>,
    /// Why not; holds no secret.
    pub error: Option<String>,
}

/// Tries the first twenty credentials of a provider, also where the provider or the credential is switched off; needs `providers:update`.
pub async fn try_out(hub: &Hub, caller: &Caller, name: &str) -> Result<Vec<Tried>, ProvidersError> {
    rbac::require(caller, Permission::ProvidersUpdate)?;
    load::refresh(hub).await?;
    let pools = hub.providers.pools();
    let pool = pools.iter().find(|pool| pool.name == name).ok_or(ProvidersError::UnknownProvider)?;
    let tries = pool.members.iter().take(MOST).map(async |member| {
        let start = Instant::now();
        let found = match &member.provider {
            None => Err("the credential cannot be used with this provider's address and this hub's secret".to_owned()),
            Some(provider) => match timeout(PATIENCE, provider.models()).await {
                Ok(Ok(models)) => Ok(models.len()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("the provider did not answer in time".to_owned()),
            },
        };
        Tried {
            credential: member.label.as_deref().map(str::to_owned),
            ok: found.is_ok(),
            milliseconds: i64::try_from(start.elapsed().as_millis()).unwrap_or(i64::MAX),
            models: found.as_ref().ok().copied(),
            error: found.err(),
        }
    });
    Ok(futures::future::join_all(tries).await)
}

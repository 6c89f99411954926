//! The providers of this process now: those of the settings, and what administrators added or changed while the hub ran.
//!
//! The list is replaced as a whole when something changes. A running call keeps what it began with. Rules about who may change what are in
//! [`crate::providers`].

use std::sync::{Arc, PoisonError, RwLock};

use hub_types::Timestamp;

use super::Choice;
use super::provider::{Configured, Member, Pool, ProviderKind};
use super::queue::Keepers;
use super::route;
use crate::pricing::{Price, PriceBook};
use hub_clients::llm::{BadRequest, CallRequest, LlmProvider, Terms};

/// All providers of this process.
#[derive(Default)]
pub struct Registry {
    configured: Vec<Configured>,
    now: RwLock<Snapshot>,
    pub(super) queues: Keepers,
}

#[derive(Default)]
struct Snapshot {
    /// See `hub_store::providers::version`; `None` until the database was read.
    version: Option<i64>,
    /// Best first.
    pools: Arc<[Arc<Pool>]>,
}

/// A provider that can serve a call under one of its credentials, and what it costs there.
#[derive(Clone)]
pub(super) struct Candidate {
    pub(super) provider: Arc<dyn LlmProvider>,
    pub(super) price: Arc<Price>,
    /// The name of the credential, where it has one.
    pub(super) credential: Option<Arc<str>>,
    /// The provider it belongs to, with its ceilings.
    pub(super) pool: Arc<Pool>,
}

impl Candidate {
    /// On which terms this provider would be asked for the call.
    pub(super) fn terms(&self, settings: &route::Settings, request: &CallRequest) -> Result<Terms, BadRequest> {
        let model = &self.price.model;
        self.provider.terms(&route::fit(settings, model, request), model)
    }

    /// The same with the price of the call's terms. Errors when they have none: an unknown price is refused, never the usual one.
    pub(super) fn on_terms(self, settings: &route::Settings, request: &CallRequest) -> Result<Self, BadRequest> {
        let terms = self.terms(settings, request)?;
        Ok(Self { price: self.price.on(&terms)?, ..self })
    }

    /// Under which name its breaker and its pauses are kept.
    pub(super) fn key(&self) -> String {
        health_key(self.provider.name(), self.credential.as_deref())
    }
}

/// Provider and, where it has several, credential.
pub(super) fn health_key(provider: &str, credential: Option<&str>) -> String {
    match credential {
        Some(credential) => format!("{provider}/{credential}"),
        None => provider.to_owned(),
    }
}

impl Registry {
    /// A registry of the providers in the settings. Of equal priority the first is the best.
    pub fn new(configured: Vec<Configured>) -> Self {
        let mut pools: Vec<Arc<Pool>> = configured.iter().map(|provider| Arc::new(provider.pool())).collect();
        pools.sort_by_key(|pool| pool.priority);
        let now = RwLock::new(Snapshot { version: None, pools: pools.into() });
        Self { configured, now, queues: Keepers::default() }
    }

    /// The names of all providers that are switched on, best first.
    pub fn names(&self) -> Vec<String> {
        self.pools().iter().filter(|pool| pool.enabled).map(|pool| pool.name.clone()).collect()
    }

    /// Every provider there is, best first.
    pub(crate) fn pools(&self) -> Arc<[Arc<Pool>]> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner).pools)
    }

    /// The providers of the settings.
    pub(crate) fn configured(&self) -> &[Configured] {
        &self.configured
    }

    /// The change that the list is of.
    pub(crate) fn version(&self) -> Option<i64> {
        self.now.read().unwrap_or_else(PoisonError::into_inner).version
    }

    /// Puts a newer list in place; an older one is thrown away.
    pub(crate) fn replace(&self, version: i64, mut pools: Vec<Arc<Pool>>) {
        pools.sort_by_key(|pool| pool.priority);
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        if now.version.is_none_or(|current| current <= version) {
            *now = Snapshot { version: Some(version), pools: pools.into() };
        }
    }

    /// True when a provider of this service can be called.
    pub(super) fn serves(&self, service: &str) -> bool {
        self.pools().iter().any(|pool| pool.service == service && pool.usable().next().is_some())
    }

    /// True when a provider other than the hub's own sandbox can be called.
    pub(crate) fn costs_money(&self) -> bool {
        let real = |pool: &Arc<Pool>| pool.kind != ProviderKind::Sandbox && pool.usable().next().is_some();
        self.pools().iter().any(real)
    }

    /// Who can serve this model: providers of the chosen service for whose service the model has a price in force, each once per
    /// credential. A model without a price is unknown, never free.
    pub(super) fn candidates(&self, book: &PriceBook, model: &str, choice: &Choice, at: Timestamp) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for pool in self.pools().iter() {
            let chosen = match choice {
                Choice::Auto => true,
                Choice::Service(service) => pool.service == *service,
            };
            if !chosen {
                continue;
            }
            let Some(price) = book.current(&pool.service, model, at) else { continue };
            candidates.extend(pool.in_order().into_iter().filter_map(|member: &Member| {
                Some(Candidate {
                    provider: Arc::clone(member.provider.as_ref()?),
                    price: Arc::clone(&price),
                    credential: member.label.clone(),
                    pool: Arc::clone(pool),
                })
            }));
        }
        candidates
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

//! The providers this hub was given, in order of preference.

use std::sync::Arc;

use hub_clients::llm::LlmProvider;
use hub_types::Timestamp;

use super::Choice;
use crate::pricing::{Price, PriceBook};

/// All providers of this process. The order is the order of preference.
#[derive(Clone, Default)]
pub struct Registry {
    providers: Vec<Arc<dyn LlmProvider>>,
}

/// A provider that can serve a call, and what it costs there.
#[derive(Clone)]
pub(super) struct Candidate {
    pub(super) provider: Arc<dyn LlmProvider>,
    pub(super) price: Arc<Price>,
    /// The name of the credential, where it has one.
    pub(super) credential: Option<Arc<str>>,
}

impl Candidate {
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
    /// A registry of these providers, best first.
    pub fn new(providers: Vec<Arc<dyn LlmProvider>>) -> Self {
        Self { providers }
    }

    /// The providers, best first.
    pub fn providers(&self) -> &[Arc<dyn LlmProvider>] {
        &self.providers
    }

    /// True when a provider of this service is configured.
    pub(super) fn serves(&self, service: &str) -> bool {
        self.providers.iter().any(|provider| provider.service() == service)
    }

    /// Who can serve this model: providers of the chosen service for whose service the model has a price in force. A model
    /// without a price is unknown, never free.
    pub(super) fn candidates(&self, book: &PriceBook, model: &str, choice: &Choice, at: Timestamp) -> Vec<Candidate> {
        let chosen = |provider: &&Arc<dyn LlmProvider>| match choice {
            Choice::Auto => true,
            Choice::Service(service) => provider.service() == service,
        };
        let priced = |provider: &Arc<dyn LlmProvider>| {
            let price = book.current(provider.service(), model, at)?;
            Some(Candidate { provider: Arc::clone(provider), price, credential: None })
        };
        self.providers.iter().filter(chosen).filter_map(priced).collect()
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.providers.iter().map(|provider| provider.name())).finish()
    }
}

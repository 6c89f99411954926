//! The composition: from parts to a [`Hub`], and from a hub to the router that a listener serves. The binary and the tests call the same
//! two functions, so what is tested is what runs.

mod app;
mod mail;
mod open;
mod payments;
mod providers;
mod sign_in;

use std::sync::Arc;

use anyhow::{Context, Result};
use hub_cache::Cache;
use hub_clients::mail::Mailer;
use hub_clients::oauth::OAuthProvider;
use hub_clients::webhook::WebhookClient;
use hub_domain::credits::{Renewals, Writer};
use hub_domain::identity::Hasher;
use hub_domain::inference::{Configured, Registry, Routing};
use hub_domain::pricing::{self, PriceBook};
use hub_domain::sealing::Sealer;
use hub_domain::sessions::{TokenAlgorithm, TokenKeys};
use hub_domain::{Hub, Settings, Tasks};
use hub_store::{Store, roles};
use hub_types::{Clock, random_bytes};
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;

pub use crate::secrets::Secrets;
pub use app::{AppOptions, app, document, parts};
pub use mail::mailer;
pub(crate) use open::cache;
pub use open::{Need, Opened, open, store_options};
pub use payments::payments;
pub use providers::{ProviderError, providers};
pub use sign_in::{SignInProviderError, sign_in_providers};

/// What a hub is made of.
pub struct Parts {
    /// The open database.
    pub store: Store,
    /// The cache of all processes.
    pub cache: Cache,
    /// The time.
    pub clock: Clock,
    /// The settings of the rules.
    pub settings: Settings,
    /// What the hub signs, peppers and seals with.
    pub secrets: Secrets,
    /// What signs new access tokens.
    pub token_algorithm: TokenAlgorithm,
    /// How mail leaves.
    pub mailer: Arc<dyn Mailer>,
    /// The model providers, best first.
    pub providers: Vec<Configured>,
    /// The sign-in providers.
    pub oauth: Vec<Arc<dyn OAuthProvider>>,
    /// Who takes payments.
    pub payments: hub_domain::payments::Registry,
    /// Cancelled when the process is asked to stop.
    pub stop: CancellationToken,
}

/// Brings the database up to date, seeds roles and prices, and puts the parts together. Several processes may do this at once.
pub async fn build(parts: Parts) -> Result<Arc<Hub>> {
    let (store, clock) = (parts.store.clone(), parts.clock.clone());
    store.migrate(clock.now()).await.context("the database schema cannot be brought up to date")?;
    let mut tx = store.write().await?;
    roles::seed(&mut tx, &clock).await.context("the roles cannot be seeded")?;
    tx.commit().await?;
    let hub = assemble(parts)?;
    pricing::seed(&hub.store, &hub.prices, &hub.settings.pricing, &hub.clock)
        .await
        .context("the prices cannot be seeded")?;
    hub_domain::providers::refresh(&hub).await.context("the providers cannot be read")?;
    Ok(hub)
}

/// Puts the parts together without touching the database; the price book is empty.
pub fn assemble(parts: Parts) -> Result<Arc<Hub>> {
    let Parts { store, cache, clock, settings, secrets, token_algorithm, mailer, providers, oauth, payments, stop } =
        parts;
    Ok(Arc::new(Hub {
        local: Cache::memory(clock.clone()),
        passwords: Hasher::new(&settings.identity.passwords, secrets.pepper_key()).context("identity.passwords")?,
        tokens: token_keys(&secrets)?.signing_with(token_algorithm),
        webhooks: WebhookClient::new(settings.credits.webhooks_to_private_addresses)
            .context("the client of webhooks")?,
        sealer: Sealer::new(&secrets.sealing_key()).context("security.sealing_secret")?,
        oauth: hub_domain::oauth::Registry::new(oauth),
        payments,
        providers: Registry::new(providers),
        routing: Routing::new(u64::from_ne_bytes(random_bytes())),
        prices: PriceBook::default(),
        ledger: Writer::default(),
        renewals: Renewals::default(),
        instance: format!("hub-{}-{}", std::process::id(), hex::encode(random_bytes::<4>())),
        tasks: Tasks::new(stop),
        store,
        cache,
        clock,
        settings,
        mailer,
    }))
}

/// The keys of all tokens: new ones from the secret in force, older ones to accept.
pub(crate) fn token_keys(secrets: &Secrets) -> Result<TokenKeys> {
    let mut keys = TokenKeys::new(secrets.jwt.expose_secret().as_bytes()).context("security.jwt_secret")?;
    for secret in &secrets.also_accepted {
        keys = keys.accepting(secret.expose_secret().as_bytes()).context("security.jwt_secret_previous")?;
    }
    Ok(keys)
}

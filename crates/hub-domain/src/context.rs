//! What the rules stand on: the parts, built once by the binary (or a test) and passed to every rule. No statics.

use std::future::Future;
use std::sync::Arc;

use hub_cache::Cache;
use hub_clients::mail::Mailer;
use hub_clients::webhook::WebhookClient;
use hub_store::Store;
use hub_types::Clock;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{audit, credits, identity, inference, limits, oauth, payments, pricing, sealing, sessions, usage};

/// The settings of all rules; each section belongs to its room and documents its keys.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Registration, passwords, verification mails.
    pub identity: identity::Settings,
    /// Access and refresh tokens, session lifetimes.
    pub sessions: sessions::Settings,
    /// Requests per minute by role.
    pub limits: limits::Settings,
    /// Starting credits, leases.
    pub credits: credits::Settings,
    /// Time limits and clamps of model calls.
    pub inference: inference::Settings,
    /// How model calls are tried, and aliases of models.
    pub routing: inference::RoutingSettings,
    /// Prices of the operator's own models.
    pub pricing: pricing::Settings,
    /// What is sold, and by whom.
    pub payments: payments::Settings,
    /// How long the audit trail is kept.
    pub audit: audit::Settings,
    /// How long calls are kept.
    pub usage: usage::Settings,
}

/// The whole composition the rules work on. Shared by all edges of a process.
pub struct Hub {
    /// The database.
    pub store: Store,
    /// The cache shared by all processes; correct answers never depend on it being there.
    pub cache: Cache,
    /// This process's own memory: limits are counted here while the shared cache is gone.
    pub local: Cache,
    /// The time.
    pub clock: Clock,
    /// The settings.
    pub settings: Settings,
    /// Tracked background tasks of this process.
    pub tasks: Tasks,
    /// How mail leaves the hub.
    pub mailer: Arc<dyn Mailer>,
    /// How members' own servers are told what happened.
    pub webhooks: WebhookClient,
    /// Password hashing, bounded.
    pub passwords: identity::Hasher,
    /// Signing and checking of tokens.
    pub tokens: sessions::TokenKeys,
    /// Seals what must be read again, such as TOTP secrets.
    pub sealer: sealing::Sealer,
    /// The sign-in providers.
    pub oauth: oauth::Registry,
    /// Who takes payments.
    pub payments: payments::Registry,
    /// The model providers.
    pub providers: inference::Registry,
    /// What routing remembers: who failed, who limits our rate.
    pub routing: inference::Routing,
    /// The price book in memory, refreshed from the database.
    pub prices: pricing::PriceBook,
    /// Folds concurrent movements of money into one commit.
    pub ledger: credits::Writer,
    /// Folds concurrent renewals of holds into one commit.
    pub renewals: credits::Renewals,
    /// Name of this process, unique while it lives; owner of leases.
    pub instance: String,
}

/// Tasks that matter outlive the request that started them and are waited for at shutdown.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// No tasks yet.
    pub fn new(stop: CancellationToken) -> Self {
        Self { tracker: TaskTracker::new(), stop }
    }

    /// Runs a tracked task.
    pub fn spawn<F>(&self, task: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tracker.spawn(task)
    }

    /// Cancelled when the process is asked to stop.
    pub const fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Waits until every tracked task has ended; call after `stop` was cancelled.
    pub async fn drain(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// How many tracked tasks are running.
    pub fn running(&self) -> usize {
        self.tracker.len()
    }
}

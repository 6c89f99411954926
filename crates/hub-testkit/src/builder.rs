//! How a test says what hub it wants.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hub::compose::{self, AppOptions, Parts, Secrets};
use hub::config::Settings;
use hub::config::sections::{Provider, ProviderKind};
use hub::roles::Roles;
use hub_cache::Cache;
use hub_clients::llm::LlmProvider;
use hub_clients::llm::sandbox::{SandboxMeter, SandboxProvider, SandboxSettings};
use hub_clients::mail::MemoryOutbox;
use hub_domain::identity::HashSettings;
use hub_domain::inference::Configured;
use hub_store::{Store, StoreOptions};
use hub_types::Clock;
use hub_web::TraceJoin;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::pair::{Place, Wires};
use crate::{Pair, TestHub, Wire, errors, pair};

/// When every test begins.
const START: &str = "2026-11-23T10:00:00Z";
/// Requests per minute that no test reaches by accident; a test of limits sets its own.
const GENEROUS: u32 = 10_000;
/// How long a hub waits for its database: on a busy machine nothing but a defect takes as long.
const PATIENCE: Duration = Duration::from_secs(30);
/// Signs the tokens of all test hubs.
const SECRET: &str = "7Gd2xk0qLw9vPzR4tYb8NcJm5HsEuAfQ";

/// A hub to be started.
pub struct Builder {
    pair: Pair,
    settings: Settings,
    providers: Vec<Configured>,
    trace_join: Option<Arc<dyn TraceJoin>>,
    metrics: Option<PrometheusHandle>,
    wires: Wires,
    patience: Duration,
}

/// What siblings share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) place: Arc<Place>,
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) outbox: MemoryOutbox,
    pub(crate) sandbox: SandboxMeter,
    pub(crate) secrets: Secrets,
    providers: Vec<Configured>,
    trace_join: Option<Arc<dyn TraceJoin>>,
    metrics: Option<PrometheusHandle>,
    patience: Duration,
}

impl Builder {
    pub(crate) fn new(pair: Pair) -> Self {
        let mut settings = Settings::default();
        settings.identity.passwords = HashSettings::for_tests();
        settings.server.per_address_per_minute = 0;
        settings.limits.guest_per_minute = GENEROUS;
        settings.limits.user_per_minute = GENEROUS;
        settings.limits.manager_per_minute = GENEROUS;
        // The clock stands still, but pauses between tries are real.
        settings.routing.first_pause_ms = 1;
        settings.routing.rate_limit_pause_ms = 1;
        // The sandbox is added here, without its delay and with its meter at hand.
        settings.sandbox.enabled = Some(false);
        Self {
            pair,
            settings,
            providers: Vec::new(),
            trace_join: None,
            metrics: None,
            wires: Wires::default(),
            patience: PATIENCE,
        }
    }

    /// Changes the settings.
    pub fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Adds an OpenAI-compatible provider at `base_url`, before the sandbox. Its models need prices: `settings.pricing.models`, with
    /// `name` as service.
    pub fn openai(self, name: &str, base_url: &str) -> Self {
        let base_url: Url = base_url.parse().expect("an address");
        self.settings(|settings| settings.providers.push(Provider::new(name, base_url)))
    }

    /// Adds a provider that speaks Anthropic's messages at `base_url`, before the sandbox; its service is `claude`, whose models have
    /// prices from the start.
    pub fn anthropic(self, name: &str, base_url: &str) -> Self {
        let base_url: Url = base_url.parse().expect("an address");
        let provider = Provider { kind: ProviderKind::Anthropic, ..Provider::new(name, base_url) };
        self.settings(|settings| settings.providers.push(provider))
    }

    /// Adds any provider, before the sandbox.
    pub fn provider(mut self, provider: Arc<dyn LlmProvider>) -> Self {
        self.providers.push(provider.into());
        self
    }

    /// Ties requests to traces.
    pub fn trace_join(mut self, join: Arc<dyn TraceJoin>) -> Self {
        self.trace_join = Some(join);
        self
    }

    /// Shows what the process counts at `/metrics`. There is one recorder in a process: other tests of it may be counted too.
    pub fn metrics(mut self) -> Self {
        static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
        let install = || PrometheusBuilder::new().install_recorder().expect("the only recorder");
        self.metrics = Some(RECORDER.get_or_init(install).clone());
        self
    }

    /// Puts a wire that can be cut between the hub and its Redis. On SQLite and memory the cache cannot be lost.
    pub async fn on_a_wire(mut self) -> (Self, Option<Wire>) {
        if self.pair == Pair::SqliteMemory {
            return (self, None);
        }
        let wire = Wire::to(&pair::redis(), 6379).await;
        self.wires.redis = Some(wire.address);
        (self, Some(wire))
    }

    /// Puts one between the hub and its PostgreSQL, and has it wait for that no longer than `patience`. A file cannot fall silent.
    pub async fn with_its_database_on_a_wire(mut self, patience: Duration) -> (Self, Option<Wire>) {
        if self.pair == Pair::SqliteMemory {
            return (self, None);
        }
        let wire = Wire::to(&pair::postgres(), 5432).await;
        self.wires.postgres = Some(wire.address);
        self.patience = patience;
        (self, Some(wire))
    }

    /// Has it wait for its database no longer than this.
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Starts it.
    pub async fn start(self) -> TestHub {
        // Boxed, or every test would have the room for a start while it runs.
        Box::pin(self.started()).await
    }

    async fn started(self) -> TestHub {
        errors::listen();
        let clock = Clock::fixed_at(START);
        let mut providers = self.providers;
        providers.extend(compose::providers(&self.settings, &clock).expect("usable providers"));
        let sandbox = SandboxProvider::new(SandboxSettings { word_delay: Duration::ZERO }, clock.clone());
        let meter = sandbox.meter();
        let sandbox: Arc<dyn LlmProvider> = Arc::new(sandbox);
        providers.push(sandbox.into());
        let place = Arc::new(Place::new(self.pair, self.wires));
        let outbox = MemoryOutbox::new();
        let secrets = Secrets::one(SECRET);
        let (settings, trace_join, metrics) = (self.settings, self.trace_join, self.metrics);
        let (sandbox, patience) = (meter, self.patience);
        let shared =
            Shared { place, settings, clock, outbox, sandbox, secrets, providers, trace_join, metrics, patience };
        let (store, cache) = shared.connect().await;
        shared.start(store, cache).await
    }
}

impl Shared {
    /// New connections to this place, as another process would make them.
    pub(crate) async fn connect(&self) -> (Store, Cache) {
        let options = StoreOptions::new(self.place.engine(), 8).patient(self.patience);
        (Store::open(&options).await.expect("the database opens"), self.place.cache(&self.clock))
    }

    /// A hub on these connections.
    pub(crate) async fn start(self, store: Store, cache: Cache) -> TestHub {
        let stop = CancellationToken::new();
        let hub = compose::build(Parts {
            store,
            cache,
            clock: self.clock.clone(),
            settings: self.settings.domain(),
            token_algorithm: self.settings.security.token_algorithm,
            secrets: self.secrets.clone(),
            mailer: Arc::new(self.outbox.clone()),
            providers: self.providers.clone(),
            oauth: compose::sign_in_providers(&self.settings, &self.clock).expect("usable sign-in providers"),
            payments: compose::payments(&self.settings, &self.clock).expect("a usable payment provider"),
            stop,
        });
        let hub = hub.await.expect("the hub is composed");
        let connections = TaskTracker::new();
        let options = AppOptions {
            settings: &self.settings,
            roles: Roles::ALL,
            started: hub.clock.now(),
            metrics: self.metrics.clone(),
            trace_join: self.trace_join.clone(),
            connections: connections.clone(),
        };
        let app = compose::app(&hub, &options).expect("the router is composed");
        let serving = options.serving();
        TestHub::new(hub, app, serving, connections, self)
    }
}

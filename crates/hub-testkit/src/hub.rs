//! The hub under test.

use std::sync::Arc;

use axum::Router;
use chrono::Duration;
use http::Method;
use hub::compose::Secrets;
use hub::config::Settings;
use hub_clients::llm::sandbox::SandboxMeter;
use hub_clients::mail::Mail;
use hub_domain::{Hub, jobs};
use hub_types::Clock;
use hub_web::ServeOptions;
use tokio_util::task::TaskTracker;

use crate::builder::Shared;
use crate::{Builder, Pair, TestRequest};

/// A whole hub, one test's own. End the test with [`TestHub::finish`].
pub struct TestHub {
    /// The parts, for tests of rules and for looking into the database.
    pub hub: Arc<Hub>,
    pub(crate) app: Router,
    pub(crate) serving: ServeOptions,
    pub(crate) connections: TaskTracker,
    pub(crate) shared: Shared,
    pub(crate) finished: bool,
}

impl TestHub {
    /// A hub with the settings of tests.
    pub async fn start(pair: Pair) -> Self {
        Self::builder(pair).start().await
    }

    /// A hub with settings or providers of one's own.
    pub fn builder(pair: Pair) -> Builder {
        Builder::new(pair)
    }

    pub(crate) fn new(
        hub: Arc<Hub>,
        app: Router,
        serving: ServeOptions,
        connections: TaskTracker,
        shared: Shared,
    ) -> Self {
        Self { hub, app, serving, connections, shared, finished: false }
    }

    /// A second hub on the same data, as another process would be: on PostgreSQL and Redis with connections of its own, on SQLite, which is
    /// for one process, with the same ones. Clock, outbox and providers are shared. Finish it too.
    pub async fn sibling(&self) -> Self {
        self.sibling_with(|_, _| ()).await
    }

    /// A sibling with other secrets or settings, as after a restart with new ones.
    pub async fn sibling_with(&self, change: impl FnOnce(&mut Secrets, &mut Settings)) -> Self {
        let mut shared = self.shared.clone();
        change(&mut shared.secrets, &mut shared.settings);
        let (store, cache) = match self.shared.place.pair {
            Pair::SqliteMemory => (self.hub.store.clone(), self.hub.cache.clone()),
            Pair::PostgresRedis => self.shared.connect().await,
        };
        shared.start(store, cache).await
    }

    /// The pair it runs on.
    pub fn pair(&self) -> Pair {
        self.shared.place.pair
    }

    /// The clock, which stands still.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Moves the clock of this hub and its siblings.
    pub fn advance(&self, by: Duration) {
        self.shared.clock.advance(by);
    }

    /// What the sandbox has truly produced.
    pub fn sandbox(&self) -> &SandboxMeter {
        &self.shared.sandbox
    }

    /// Runs the jobs that are due.
    pub async fn run_jobs(&self) {
        jobs::run_all_due(&self.hub).await.expect("jobs run");
    }

    /// Runs the jobs that are due, then returns all mails so far, oldest first.
    pub async fn mails(&self) -> Vec<Mail> {
        self.run_jobs().await;
        self.shared.outbox.mails()
    }

    /// What was logged as an error since the start or the last call. A test that provokes errors takes them, or `finish` fails.
    pub fn take_errors(&self) -> Vec<String> {
        crate::errors::take()
    }

    /// A request through the whole router, from 127.0.0.1.
    pub fn request(&self, method: Method, path: &str) -> TestRequest {
        TestRequest::new(self.app.clone(), method, path)
    }

    /// `GET`.
    pub fn get(&self, path: &str) -> TestRequest {
        self.request(Method::GET, path)
    }

    /// `POST`.
    pub fn post(&self, path: &str) -> TestRequest {
        self.request(Method::POST, path)
    }

    /// `PUT`.
    pub fn put(&self, path: &str) -> TestRequest {
        self.request(Method::PUT, path)
    }

    /// `PATCH`.
    pub fn patch(&self, path: &str) -> TestRequest {
        self.request(Method::PATCH, path)
    }

    /// `DELETE`.
    pub fn delete(&self, path: &str) -> TestRequest {
        self.request(Method::DELETE, path)
    }
}

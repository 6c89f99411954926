//! A hub for one test, and the walks most tests begin with.

use std::sync::Arc;
use std::time::Duration;

use hub_cache::Cache;
use hub_clients::mail::{Mail, MemoryOutbox};
use hub_clients::webhook::WebhookClient;
use hub_domain::access::{self, Proof};
use hub_domain::identity::{self, HashSettings, Hasher, Login, LoginError, MailboxProof, Register};
use hub_domain::sealing::Sealer;
use hub_domain::sessions::{TokenKeys, Tokens};
use hub_domain::{Hub, Origin, Settings, Tasks, inference, jobs, pricing};
use hub_store::{Engine, Store, StoreOptions, roles};
use hub_types::{Caller, Clock, Email};
use tokio_util::sync::CancellationToken;

/// A password that the policy accepts.
pub(crate) const PASSWORD: &str = "Tr0ub4dor&3x";

/// A hub, its outbox, and the directory that vanishes with it.
pub(crate) struct TestHub {
    pub(crate) hub: Arc<Hub>,
    outbox: MemoryOutbox,
    _directory: tempfile::TempDir,
}

impl TestHub {
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::fixed_at("2026-11-23T10:00:00Z");
        let engine = Engine::Sqlite { path: directory.path().join("hub.db") };
        let options = StoreOptions::new(engine, 4).patient(Duration::from_secs(30));
        let store = Store::open(&options).await.unwrap();
        store.migrate(clock.now()).await.unwrap();
        let mut tx = store.write().await.unwrap();
        roles::seed(&mut tx, &clock).await.unwrap();
        tx.commit().await.unwrap();
        let outbox = MemoryOutbox::new();
        let hub = Hub {
            store,
            cache: Cache::memory(clock.clone()),
            local: Cache::memory(clock.clone()),
            clock,
            settings: Settings::default(),
            tasks: Tasks::new(CancellationToken::new()),
            mailer: Arc::new(outbox.clone()),
            webhooks: WebhookClient::new(false).unwrap(),
            passwords: Hasher::new(&HashSettings::for_tests(), [7; 32]).unwrap(),
            tokens: TokenKeys::new(b"7Gd2xk0qLw9vPzR4tYb8NcJm5HsEuAfQ").unwrap(),
            sealer: Sealer::new(&[9; 32]).unwrap(),
            payments: hub_domain::payments::Registry::default(),
            oauth: hub_domain::oauth::Registry::default(),
            providers: inference::Registry::new(Vec::new()),
            routing: inference::Routing::new(1),
            prices: pricing::PriceBook::default(),
            ledger: hub_domain::credits::Writer::default(),
            renewals: hub_domain::credits::Renewals::default(),
            instance: "test".to_owned(),
        };
        Self { hub: Arc::new(hub), outbox, _directory: directory }
    }

    pub(crate) fn advance(&self, by: chrono::Duration) {
        self.hub.clock.advance(by);
    }

    /// Runs the waiting jobs and gives the newest mail to the address.
    pub(crate) async fn mail_to(&self, to: &Email) -> Option<Mail> {
        while jobs::run_due(&self.hub).await.unwrap() > 0 {}
        self.outbox.last_to(to)
    }

    /// Runs the waiting jobs and counts all mails so far.
    pub(crate) async fn mail_count(&self) -> usize {
        while jobs::run_due(&self.hub).await.unwrap() > 0 {}
        self.outbox.mails().len()
    }

    pub(crate) async fn register(&self, email: &Email, password: &str) -> Mail {
        let input = Register { email: email.clone(), password: password.to_owned(), name: "Ada".to_owned() };
        identity::register(&self.hub, input).await.unwrap();
        self.mail_to(email).await.expect("a mail was sent")
    }

    pub(crate) async fn verify(&self, email: &Email, code: &str) -> bool {
        let proof = MailboxProof::Code { email: email.clone(), code: code.to_owned() };
        identity::verify_email(&self.hub, &origin(), proof).await.is_ok()
    }

    /// Registers and verifies.
    pub(crate) async fn member(&self, email: &Email) {
        let mail = self.register(email, PASSWORD).await;
        assert!(self.verify(email, &code_in(&mail)).await);
    }

    pub(crate) async fn try_login(&self, email: &Email, password: &str) -> Result<Tokens, LoginError> {
        let input = Login { email: email.clone(), password: password.to_owned(), totp: None };
        identity::login(&self.hub, &origin(), input).await
    }

    pub(crate) async fn login(&self, email: &Email) -> Tokens {
        self.try_login(email, PASSWORD).await.unwrap()
    }

    pub(crate) async fn caller(&self, tokens: &Tokens) -> Option<Caller> {
        access::authenticate(&self.hub, Proof::AccessToken(&tokens.access_token), None).await.ok()
    }

    pub(crate) async fn key_caller(&self, key: &str, address: Option<&str>) -> Option<Caller> {
        let address = address.map(|address| address.parse().unwrap());
        access::authenticate(&self.hub, Proof::ApiKey(key), address).await.ok()
    }

    /// Actions in the audit trail, oldest first.
    pub(crate) async fn audit(&self) -> Vec<String> {
        let mut tx = self.hub.store.read().await.unwrap();
        let end = self.hub.clock.now() + chrono::Duration::days(999);
        let all = hub_store::audit::Filter::default();
        let before = (end, hub_types::AuditId::new(&self.hub.clock));
        let rows = hub_store::audit::list(&mut tx, &all, before, 100).await.unwrap();
        rows.into_iter().rev().map(|row| row.action).collect()
    }
}

pub(crate) fn ada() -> Email {
    "ada@example.com".parse().unwrap()
}

pub(crate) fn origin() -> Origin {
    Origin { address: "192.0.2.1".to_owned(), user_agent: "test/1".to_owned(), request_id: "r1".to_owned() }
}

/// The line of six digits.
pub(crate) fn code_in(mail: &Mail) -> String {
    let six_digits = |line: &&str| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit());
    mail.text.lines().find(six_digits).expect("the mail holds a code").to_owned()
}

/// What follows `token=`.
pub(crate) fn token_in(mail: &Mail) -> String {
    let (_, rest) = mail.text.split_once("token=").expect("the mail holds a link");
    rest.lines().next().unwrap().to_owned()
}

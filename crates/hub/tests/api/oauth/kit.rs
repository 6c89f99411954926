//! A browser, and a hub with the provider.

use std::sync::Mutex;

use hub::config::Settings;
use hub::config::sections::OAuth;
use hub_testkit::{Pair, TestHub, TestResponse};
use serde_json::{Value, json};

use super::idp::{CLIENT_ID, CLIENT_SECRET, Idp};

/// An entry of `[[oauth]]` that discovers the provider at `url`.
pub(crate) fn entry(name: &str, url: &str, trusted: bool) -> OAuth {
    let text = format!(
        "name = \"{name}\"\nclient_id = \"{CLIENT_ID}\"\nclient_secret = \"{CLIENT_SECRET}\"\nissuer = \"{url}\"\n\
         email_trusted = {trusted}\nallow_private_addresses = true"
    );
    toml::from_str(&text).unwrap()
}

/// A hub with `google`, whose word about addresses counts, and `sora2`, whose word does not; both are this provider.
pub(crate) async fn hub_with(pair: Pair, idp: &Idp, change: impl FnOnce(&mut Settings)) -> TestHub {
    let oauth = vec![entry("google", idp.url(), true), entry("sora2", idp.url(), false)];
    let builder = TestHub::builder(pair).settings(|settings| {
        settings.oauth = oauth;
        change(settings);
    });
    let hub = builder.start().await;
    idp.follow(hub.clock());
    hub
}

pub(crate) async fn start(pair: Pair) -> (TestHub, Idp) {
    let idp = Idp::start().await;
    (hub_with(pair, &idp, |_| ()).await, idp)
}

/// Somebody at the provider whose address it vouches for.
pub(crate) fn person(subject: &str, email: &str) -> Value {
    json!({ "sub": subject, "email": email, "email_verified": true, "name": "Ada" })
}

/// A browser that keeps its cookie.
#[derive(Default)]
pub(crate) struct Browser {
    cookie: Mutex<Option<String>>,
}

impl Browser {
    pub(crate) async fn get(&self, hub: &TestHub, path: &str) -> TestResponse {
        let mut request = hub.get(path);
        if let Some(cookie) = self.cookie() {
            request = request.header("cookie", &cookie);
        }
        let answer = request.send().await;
        self.remember(&answer);
        answer
    }

    pub(crate) async fn post(&self, hub: &TestHub, path: &str, bearer: Option<&str>, body: &Value) -> TestResponse {
        let mut request = hub.post(path).json(body);
        if let Some(cookie) = self.cookie() {
            request = request.header("cookie", &cookie);
        }
        if let Some(token) = bearer {
            request = request.bearer(token);
        }
        let answer = request.send().await;
        self.remember(&answer);
        answer
    }

    fn cookie(&self) -> Option<String> {
        self.cookie.lock().unwrap().clone()
    }

    fn remember(&self, answer: &TestResponse) {
        let lines = answer.headers.get_all("set-cookie").iter().filter_map(|line| line.to_str().ok());
        if let Some(line) = lines.into_iter().find(|line| line.starts_with("hub-oauth=")) {
            *self.cookie.lock().unwrap() = line.split(';').next().map(str::to_owned);
        }
    }

    /// To the provider and back: the answer of the callback.
    pub(crate) async fn come_back(&self, hub: &TestHub, idp: &Idp, provider: &str, person: &Value) -> TestResponse {
        let there = self.get(hub, &format!("/api/auth/oauth/{provider}")).await.expect(302);
        let back = idp.approve(there.header("location"), person);
        self.get(hub, &back).await
    }

    /// The whole way: the answer of the exchange.
    pub(crate) async fn sign_in(&self, hub: &TestHub, idp: &Idp, provider: &str, person: &Value) -> Value {
        let done = self.come_back(hub, idp, provider, person).await.expect(302);
        let code = exchange_code(&done);
        self.post(hub, "/api/auth/oauth/exchange", None, &json!({ "code": code })).await.expect(200).json()
    }
}

/// The one-time code in the fragment.
pub(crate) fn exchange_code(done: &TestResponse) -> String {
    let (_, code) = done.header("location").split_once("#exchange=").expect("a code in the fragment");
    code.to_owned()
}

/// How many people have an account here.
pub(crate) async fn people(hub: &TestHub) -> usize {
    let mut found = 0;
    for name in ["ada", "eve", "bob"] {
        let email = format!("{name}@example.com").parse().unwrap();
        let user = hub_domain::identity::find_by_email(&hub.hub, &email).await.unwrap();
        found += usize::from(user.is_some());
    }
    found
}

/// Actions in the trail about everybody, newest first.
pub(crate) async fn trail(hub: &TestHub) -> Vec<String> {
    let mut tx = hub.hub.store.read().await.unwrap();
    let end = hub.clock().now() + chrono::Duration::days(1);
    let id = hub_types::AuditId::new(hub.clock());
    let rows = hub_store::audit::list(&mut tx, &hub_store::audit::Filter::default(), (end, id), 100).await.unwrap();
    rows.into_iter().map(|row| row.action).collect()
}

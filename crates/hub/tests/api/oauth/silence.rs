//! What must never be seen: tokens and codes in addresses, pages and logs. OAU-07.
//!
//! These tests listen to the log themselves, before anybody else of their process does.

use std::io::Write;
use std::sync::{Arc, Mutex};

use hub_testkit::Pair;
use serde_json::json;

use super::idp::{CLIENT_SECRET, asked};
use super::kit::{Browser, exchange_code, person, start};

mod sqlite_memory {
    #[test]
    fn oau_07_no_token_stands_in_an_address_a_page_or_a_log_line() {
        let lines = super::capture();
        hub_testkit::run(hub_testkit::Pair::SqliteMemory, |pair| super::no_token_stands(pair, lines));
    }
}

mod postgres_redis {
    #[test]
    fn oau_07_no_token_stands_in_an_address_a_page_or_a_log_line() {
        let lines = super::capture();
        hub_testkit::run(hub_testkit::Pair::PostgresRedis, |pair| super::no_token_stands(pair, lines));
    }
}

async fn no_token_stands(pair: Pair, lines: Arc<Mutex<Vec<u8>>>) {
    let (hub, idp) = start(pair).await;
    let browser = Browser::default();
    let ada = person("g-1", "ada@example.com");
    let there = browser.get(&hub, "/api/auth/oauth/google").await.expect(302);
    let back = idp.approve(there.header("location"), &ada);
    let done = browser.get(&hub, &back).await.expect(302);
    let code = exchange_code(&done);
    let again = browser.get(&hub, &back).await.expect(400);
    let tokens = browser.post(&hub, "/api/auth/oauth/exchange", None, &json!({ "code": code })).await.expect(200);
    let body = tokens.json();
    let (access, refresh) = (body["accessToken"].as_str().unwrap(), body["refreshToken"].as_str().unwrap());
    let theirs = idp.inner().secrets.clone();
    assert_eq!(theirs.len(), 3);
    let secrets = theirs.iter().map(String::as_str).chain([access, refresh]);
    let logged = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("/api/auth/oauth/google/callback"), "nothing was captured");
    for secret in secrets {
        for answer in [&there, &done, &again] {
            let headers = format!("{:?}", answer.headers);
            assert!(!headers.contains(secret) && !answer.text().contains(secret), "{secret} in {headers}");
        }
        assert!(!logged.contains(secret), "{secret} was logged");
    }
    let (_, state, query) = asked(there.header("location"));
    for secret in [&code, &state, &query["nonce"], &CLIENT_SECRET.to_owned()] {
        assert!(!logged.contains(secret.as_str()), "{secret} was logged");
    }
    hub.finish().await;
}

/// Everything that is logged from now on, at every level.
pub(crate) fn capture() -> Arc<Mutex<Vec<u8>>> {
    static LINES: std::sync::OnceLock<Arc<Mutex<Vec<u8>>>> = std::sync::OnceLock::new();
    #[derive(Clone)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let lines = LINES.get_or_init(|| {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let writer = Lines(Arc::clone(&lines));
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        // Fails where another test of this process was first; then nothing is captured and the test says so.
        let _ = tracing::subscriber::set_global_default(subscriber);
        lines
    });
    Arc::clone(lines)
}

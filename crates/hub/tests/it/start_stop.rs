//! `hub serve` as an operator meets it: the first screen, later starts, the graceful end.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use reqwest::Response;
use serde_json::{Value, json};

use crate::binary::{Server, client, hub, json, text};

/// The word after a label of the screen.
fn shown<'a>(screen: &'a str, label: &str) -> &'a str {
    let line = screen.lines().find_map(|line| line.trim().strip_prefix(label));
    line.map_or_else(|| panic!("no {label} in {screen}"), str::trim)
}

async fn chat(server: &Server, key: &str, body: &Value) -> Response {
    let request = client().post(server.url("/v1/chat/completions")).bearer_auth(key).json(body);
    request.send().await.expect("an answer")
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("the file").permissions().mode() & 0o777
}

#[tokio::test]
async fn the_first_start_shows_once_what_is_needed_to_begin() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let server = Server::start(&data, &[], &[]);
    let address = server.address.clone();
    let (status, screen) = server.stop();
    assert!(status.success());
    assert!(screen.contains(&address));
    let (email, password, key) = (shown(&screen, "Sign in"), shown(&screen, "Password"), shown(&screen, "API key"));
    for (file, expected) in [("", 0o700), ("secrets.toml", 0o600), ("hub.db", 0o600), ("outbox", 0o700)] {
        assert_eq!(mode(&data.join(file)), expected, "{file}");
    }

    let server = Server::start(&data, &[], &[]);
    let body = json!({ "model": "sandbox", "messages": [{ "role": "user", "content": "Hello" }] });
    assert_eq!(chat(&server, key, &body).await.status(), 200);
    let login = json!({ "email": email, "password": password });
    let login = client().post(server.url("/api/auth/login")).json(&login).send().await.expect("an answer");
    assert_eq!(login.status(), 200);
    let login: Value = login.json().await.expect("JSON");
    assert_eq!(login["user"]["roles"], json!(["admin"]));
    let (status, screen) = server.stop();
    assert!(status.success());
    assert_eq!(screen, "", "a later start shows nothing where nobody looks");
    let log = text(&std::fs::read(data.join("hub.db")).expect("the database"));
    assert!(!log.contains(password) && !log.contains(key), "secrets are stored as hashes only");
}

#[tokio::test]
async fn with_json_the_first_start_is_one_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let (status, out) = Server::start(&directory.path().join("data"), &["--json"], &[]).stop();
    assert!(status.success());
    let started: Value = serde_json::from_str(&out).expect("one JSON value");
    assert_eq!(started["firstAdmin"]["email"], "admin@localhost");
    assert!(started["firstAdmin"]["key"].as_str().is_some_and(|key| key.starts_with("sk_")));
}

#[tokio::test]
async fn an_administrator_made_beforehand_makes_the_first_one_needless() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    json(&data, &["admin", "create-user", "--email", "root@example.com", "--role", "admin"]);
    let (_, screen) = Server::start(&data, &[], &[]).stop();
    assert!(!screen.contains("Password"), "{screen}");
}

#[tokio::test]
async fn commands_work_beside_a_running_hub() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let server = Server::start(&data, &[], &[]);
    json(&data, &["admin", "create-user", "--email", "ann@example.com"]);
    json(&data, &["admin", "grant-credits", "--email", "ann@example.com", "--amount", "7"]);
    let key = json(&data, &["admin", "create-key", "--email", "ann@example.com", "--name", "x"]);
    let key = key["key"].as_str().expect("a key");
    let balance = client().get(server.url("/api/credits/balance")).bearer_auth(key).send().await.expect("an answer");
    let balance: Value = balance.json().await.expect("JSON");
    assert_eq!(balance["balance"], 7);
    assert_eq!(json(&data, &["ledger", "verify"])["clean"], true);
    assert!(server.stop().0.success());
}

#[tokio::test]
async fn res_06_a_stream_in_flight_is_finished_and_paid_before_the_hub_ends() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let server = Server::start(&data, &["--json"], &[]);
    let key = json(&data, &["admin", "create-key", "--email", "admin@localhost", "--name", "x"]);
    let key = key["key"].as_str().expect("a key");
    let question = "sandbox:words=30 sandbox:delay=40";
    let body = json!({ "model": "sandbox", "stream": true, "messages": [{ "role": "user", "content": question }] });
    let mut answer = chat(&server, key, &body).await;
    assert_eq!(answer.status(), 200);
    let mut received = answer.chunk().await.expect("a piece").expect("not the end").to_vec();
    server.terminate();
    while let Some(piece) = answer.chunk().await.expect("the stream goes on while the hub drains") {
        received.extend_from_slice(&piece);
    }
    assert!(text(&received).trim_end().ends_with("data: [DONE]"), "{}", text(&received));
    assert!(server.wait().0.success());
    let report = json(&data, &["ledger", "verify"]);
    assert_eq!((&report["clean"], &report["receipts"], &report["openHolds"]), (&json!(true), &json!(1), &json!(0)));
}

#[tokio::test]
async fn res_06_the_end_does_not_wait_for_ever() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let server = Server::start(&data, &["--json"], &[("HUB__SERVER__DRAIN_SECONDS", "1")]);
    let key = json(&data, &["admin", "create-key", "--email", "admin@localhost", "--name", "x"]);
    let key = key["key"].as_str().expect("a key");
    let question = "sandbox:words=600 sandbox:delay=100";
    let body = json!({ "model": "sandbox", "stream": true, "messages": [{ "role": "user", "content": question }] });
    let mut answer = chat(&server, key, &body).await;
    assert!(answer.chunk().await.expect("a piece").is_some());
    let asked = std::time::Instant::now();
    assert!(server.stop().0.success());
    assert!(asked.elapsed().as_secs() < 8, "{:?}", asked.elapsed());
    // The next start's worker ends what was cut off; until then the money is held, and nothing is lost.
    let report = json(&data, &["ledger", "verify"]);
    assert_eq!(report["clean"], true, "{report:#}");
}

#[tokio::test]
async fn res_06_after_a_kill_sessions_and_revocations_are_as_before() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let (email, password) = ("ann@example.com", "seven grey herons stand in the reeds");
    json(&data, &["admin", "create-user", "--email", email, "--password", password]);
    json(&data, &["admin", "grant-credits", "--email", email, "--amount", "7"]);
    let server = Server::start(&data, &["--json"], &[]);
    let login = async |server: &Server| {
        let body = json!({ "email": email, "password": password });
        let answer = client().post(server.url("/api/auth/login")).json(&body).send().await.expect("an answer");
        let tokens: Value = answer.json().await.expect("JSON");
        tokens["accessToken"].as_str().expect("a token").to_owned()
    };
    let me = async |server: &Server, token: &str| {
        let request = client().get(server.url("/api/credits/balance")).bearer_auth(token);
        request.send().await.expect("an answer").status().as_u16()
    };
    let (kept, ended) = (login(&server).await, login(&server).await);
    let logout = client().post(server.url("/api/auth/logout")).bearer_auth(&ended).json(&json!({}));
    assert_eq!(logout.send().await.expect("an answer").status(), 204);
    assert_eq!((me(&server, &kept).await, me(&server, &ended).await), (200, 401));
    // Dropping it is `kill -9`.
    drop(server);
    let server = Server::start(&data, &["--json"], &[]);
    assert_eq!((me(&server, &kept).await, me(&server, &ended).await), (200, 401));
    assert!(server.stop().0.success());
    assert_eq!(json(&data, &["ledger", "verify"])["clean"], true);
}

#[test]
fn help_and_version_are_no_failures() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    assert!(hub(&data, &["--help"]).status.success());
    assert!(text(&hub(&data, &["--version"]).stdout).starts_with("hub "));
}

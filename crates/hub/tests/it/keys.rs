//! `hub keys rotate`: nobody is signed out, unless that is what was asked for.

use std::path::Path;

use serde_json::{Value, json};

use crate::binary::{Server, client, hub_with, json as run, text};

const PASSWORD: &str = "seven grey herons stand in the reeds";
const SECRET: &str = "7Gd2xk0qLw9vPzR4tYb8NcJm5HsEuAfQ";

async fn sign_in(server: &Server) -> Value {
    let body = json!({ "email": "ann@example.com", "password": PASSWORD });
    let request = client().post(server.url("/api/auth/login")).header("content-type", "application/json");
    let answer = request.body(body.to_string()).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    serde_json::from_str(&answer.text().await.expect("text")).expect("JSON")
}

async fn is_let_in(server: &Server, tokens: &Value) -> bool {
    let token = tokens["accessToken"].as_str().expect("a token");
    let answer = client().get(server.url("/api/auth/me")).bearer_auth(token).send().await.expect("an answer");
    answer.status() == 200
}

fn rotate(data: &Path, more: &[&str]) -> Value {
    run(data, &[&["keys", "rotate"], more].concat())
}

#[tokio::test]
async fn tokens_outlive_a_rotation_and_not_one_that_forgets_at_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    run(&data, &["admin", "create-user", "--email", "ann@example.com", "--password", PASSWORD]);
    let server = Server::start(&data, &[], &[]);
    let before = sign_in(&server).await;
    let rotated = rotate(&data, &[]);
    assert_eq!((&rotated["rotated"], &rotated["restartNeeded"]), (&json!(true), &json!(true)));
    assert_ne!(rotated["kid"], rotated["previousKid"]);
    assert!(is_let_in(&server, &before).await, "the running hub goes on as it was");
    server.stop();

    let server = Server::start(&data, &[], &[]);
    assert!(is_let_in(&server, &before).await);
    let after = sign_in(&server).await;
    server.stop();
    rotate(&data, &["--at-once"]);
    let server = Server::start(&data, &[], &[]);
    for tokens in [&before, &after] {
        assert!(!is_let_in(&server, tokens).await);
    }
    server.stop();
}

#[test]
fn a_secret_from_the_settings_is_left_to_the_operator() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let output = hub_with(&data, &["keys", "rotate", "--json"], &[("JWT_SECRET", SECRET)]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["rotated"], false);
    assert!(told["jwtSecret"].as_str().is_some_and(|secret| secret.len() == 64));
    assert!(told["steps"].to_string().contains("JWT_SECRET_PREVIOUS") && !told.to_string().contains(SECRET));
    assert!(!data.join("secrets.toml").exists());
}

#[test]
fn a_replaced_secret_on_postgres_demands_a_sealing_secret() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let variables = [
        ("DATABASE_URL", "postgres://a/b"),
        ("JWT_SECRET", SECRET),
        ("JWT_SECRET_PREVIOUS", "Zk4Wq8rTn2VxJb6YcPd9Lm3HsGf7AeUo"),
    ];
    let output = hub_with(&data, &["config", "print"], &variables);
    assert!(
        !output.status.success() && text(&output.stderr).contains("security.sealing_secret"),
        "{}",
        text(&output.stderr)
    );
    let sealed = [&variables[..], &[("HUB__SECURITY__SEALING_SECRET", SECRET)]].concat();
    let output = hub_with(&data, &["config", "print"], &sealed);
    assert!(output.status.success() && !text(&output.stdout).contains("Zk4Wq8"), "{}", text(&output.stdout));
}

//! Starts that must not happen, and what is said instead.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::binary::{Server, hub_with, text};

fn refused(data: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let output = hub_with(data, &[&["serve"], arguments].concat(), variables);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    assert!(output.stdout.is_empty());
    text(&output.stderr)
}

#[test]
fn a_port_in_use_is_named_and_no_administrator_is_lost() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let said = refused(&data, &["--listen", &address], &[]);
    assert!(said.contains(&address) && said.contains("in use") && said.contains("--listen"), "{said}");
    let (_, screen) = Server::start(&data, &[], &[]).stop();
    assert!(screen.contains("Password"), "the first start that works is the first start");
}

#[test]
fn two_hubs_cannot_share_an_embedded_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let server = Server::start(&data, &[], &[]);
    let said = refused(&data, &["--listen", "127.0.0.1:0"], &[]);
    assert!(said.contains("another hub is running") && said.contains("DATABASE_URL"), "{said}");
    assert!(server.stop().0.success());
}

#[test]
fn several_processes_need_servers_that_they_share() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let said = refused(&data, &["--roles", "auth,core"], &[]);
    assert!(said.contains("DATABASE_URL") && said.contains("REDIS_URL"), "{said}");
    let postgres = [("DATABASE_URL", "postgres://nowhere/hub"), ("JWT_SECRET", "7Gd2xk0qLw9vPzR4tYb8NcJm5HsEuAfQ")];
    let said = refused(&data, &["--roles", "gateway"], &postgres);
    assert!(!said.contains("DATABASE_URL") && said.contains("REDIS_URL"), "{said}");
    assert!(!data.exists(), "nothing is made");
}

#[test]
fn jwt_07_secrets_that_are_missing_weak_or_exposed_stop_the_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    for secret in ["", "sixteen bytes ok", "your-super-secret-jwt-key-change-in-production"] {
        let said = refused(&data, &[], &[("DATABASE_URL", "postgres://nowhere/hub"), ("JWT_SECRET", secret)]);
        assert!(
            said.contains("security.jwt_secret") && !(said.contains("sixteen") || said.contains("super")),
            "{said}"
        );
    }
    assert!(Server::start(&data, &[], &[]).stop().0.success());
    let secrets = data.join("secrets.toml");
    std::fs::set_permissions(&secrets, std::fs::Permissions::from_mode(0o644)).expect("chmod");
    let said = refused(&data, &["--listen", "127.0.0.1:0"], &[]);
    assert!(said.contains("secrets.toml") && said.contains("chmod 600"), "{said}");
}

#[test]
fn servers_that_do_not_answer_are_named_by_their_setting() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
    let secret = ("JWT_SECRET", "7Gd2xk0qLw9vPzR4tYb8NcJm5HsEuAfQ");
    let database = format!("postgres://hub:hush@127.0.0.1:{port}/hub");
    let quick = ("HUB__DATABASE__ACQUIRE_TIMEOUT_SECONDS", "1");
    let said = refused(&data, &["--listen", "127.0.0.1:0"], &[("DATABASE_URL", &database), secret, quick]);
    assert!(said.contains("database.url") && !said.contains("hush"), "{said}");
    let redis = format!("redis://:hush@127.0.0.1:{port}");
    let said = refused(&data, &["--listen", "127.0.0.1:0"], &[("REDIS_URL", &redis)]);
    assert!(said.contains("cache.redis_url") && !said.contains("hush"), "{said}");
}

//! `hub doctor` and `hub config print` through the binary.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::binary::{hub, hub_with, json, text};

fn state<'a>(report: &'a Value, check: &str) -> &'a str {
    let list = report["checks"].as_array().expect("a list");
    list.iter()
        .find(|finding| finding["check"] == check)
        .and_then(|finding| finding["state"].as_str())
        .unwrap_or("absent")
}

#[test]
fn a_new_machine_is_fine_and_nothing_is_made_on_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let report = json(&data, &["doctor"]);
    assert_eq!(report["ok"], true);
    assert_eq!(state(&report, "provider sandbox"), "ok");
    assert!(!data.exists());
}

#[test]
fn what_is_missing_is_named_and_fails_the_command() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    json(&data, &["admin", "create-user", "--email", "ann@example.com"]);
    let secrets = data.join("secrets.toml");
    std::fs::set_permissions(&secrets, std::fs::Permissions::from_mode(0o644)).expect("chmod");
    // A port that was free a moment ago and that nobody serves.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
    let url = format!("http://127.0.0.1:{port}/v1");
    let redis = format!("redis://127.0.0.1:{port}");
    let variables = [
        ("OPENAI_BASE_URL", url.as_str()),
        ("REDIS_URL", &redis),
        ("ANTHROPIC_BASE_URL", url.as_str()),
        ("ANTHROPIC_API_KEY", "sk-hush"),
    ];
    let output = hub_with(&data, &["doctor", "--json"], &variables);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for check in ["secrets", "cache", "provider openai", "provider anthropic"] {
        assert_eq!(state(&report, check), "failed", "{report:#}");
    }
    assert_eq!(state(&report, "database"), "ok");
    assert!(!text(&output.stdout).contains("hush"));
}

#[test]
fn wrong_settings_are_told_by_the_doctor_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let output = hub_with(&directory.path().join("data"), &["doctor"], &[("HUB__LIMITS__GUEST", "1")]);
    assert_eq!(output.status.code(), Some(1));
    let words = text(&output.stdout);
    assert!(words.contains("limits.guest (from HUB__LIMITS__GUEST)") && words.contains("cannot work"), "{words}");
}

#[test]
fn the_settings_in_force_are_printed_without_secrets() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let variables = [("OPENAI_API_KEY", "sk-hush"), ("JWT_SECRET", "7Gd2xk0qLw9vPzR4tYb8NcJm5HsEuAfQ")];
    let words = text(&hub_with(&data, &["config", "print"], &variables).stdout);
    assert!(words.contains("# providers comes from OPENAI_API_KEY") && words.contains("api_key = \"***\""), "{words}");
    assert!(!words.contains("hush") && !words.contains("7Gd2"));
    let printed: Value =
        serde_json::from_slice(&hub_with(&data, &["config", "print", "--json"], &variables).stdout).expect("JSON");
    assert_eq!(printed["settings"]["limits"]["guest_per_minute"], 10);
    assert_eq!(printed["sources"]["security.jwt_secret"], "JWT_SECRET");
}

#[test]
fn a_settings_file_beside_the_data_is_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    std::fs::create_dir(&data).expect("made");
    std::fs::write(directory.path().join("hub.toml"), "[limits]\nguest_per_minute = 1\n").expect("written");
    let printed = json(&data, &["config", "print"]);
    assert_eq!(printed["settings"]["limits"]["guest_per_minute"], 1, "from the working directory");
    std::fs::write(data.join("hub.toml"), "[limits]\nguest_per_minute = 2\n").expect("written");
    assert_eq!(
        json(&data, &["config", "print"])["settings"]["limits"]["guest_per_minute"],
        2,
        "from the data directory"
    );
    std::fs::write(directory.path().join("other.toml"), "[limits]\nguest_per_minute = 3\n").expect("written");
    let printed = json(&data, &["config", "print", "--config", "other.toml"]);
    assert_eq!(printed["settings"]["limits"]["guest_per_minute"], 3, "from --config");
    let missing = hub(&data, &["config", "print", "--config", "nowhere.toml"]);
    assert!(text(&missing.stderr).contains("nowhere.toml: cannot be read"));
}

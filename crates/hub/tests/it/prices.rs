//! `hub prices` and `hub receipts`: exit codes, all or nothing, and what a file may say.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::binary::{hub, json, text};

fn data() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    json(&data, &["admin", "create-user", "--email", "ann@example.com", "--password", "seven grey herons stand here"]);
    (directory, data)
}

fn file(data: &Path, prices: &Value) -> String {
    let path = data.join("prices.json");
    std::fs::write(&path, prices.to_string()).expect("a file");
    path.to_str().expect("a path").to_owned()
}

fn listed(data: &Path, service: &str) -> Vec<Value> {
    json(data, &["prices", "list", "--service", service])["prices"].as_array().expect("prices").clone()
}

#[test]
fn an_import_adds_versions_and_a_repetition_adds_none() {
    let (_directory, data) = data();
    let prices = json!([
        { "service": "own", "model": "big", "input": 15, "output": 60.5, "contextTokens": 8000, "source": "our page" },
        { "service": "own", "model": "small", "input": 1.25, "cacheRead": 0.125, "output": 6, "request": 0.01 },
    ]);
    let path = file(&data, &prices);
    let compared = json(&data, &["prices", "diff", &path]);
    assert_eq!(compared["changes"][0]["kind"], "new");
    assert!(listed(&data, "own").is_empty(), "a comparison must write nothing");

    assert_eq!(json(&data, &["prices", "import", &path])["written"], 2);
    let rows = listed(&data, "own");
    assert_eq!(
        (&rows[0]["model"], &rows[0]["output"], &rows[0]["source"]),
        (&json!("big"), &json!(60.5), &json!("our page"))
    );
    assert_eq!((&rows[1]["cacheRead"], &rows[1]["request"]), (&json!(0.125), &json!(0.01)));

    let again = json(&data, &["prices", "import", &path]);
    assert_eq!((&again["written"], &again["changes"][0]["kind"]), (&json!(0), &json!("same")));

    // What `list` writes, `import` reads: nothing differs.
    let path = file(&data, &json(&data, &["prices", "list"]));
    assert_eq!(json(&data, &["prices", "import", &path])["written"], 0);
}

#[test]
fn one_impossible_price_stops_the_whole_import() {
    let (_directory, data) = data();
    let good = json!({ "service": "own", "model": "good", "input": 1, "output": 2 });
    for (bad, reason) in [
        (json!({ "service": "own", "model": "bad", "input": -1, "output": 2 }), "below zero"),
        (
            json!({ "service": "own", "model": "bad", "input": 1, "output": 2, "maxOutputTokens": -1 }),
            "maxOutputTokens",
        ),
        (json!({ "service": "own", "model": "good", "input": 3, "output": 2 }), "twice"),
        (json!({ "service": "", "model": "bad", "input": 3, "output": 2 }), "printable"),
        (
            json!({ "service": "own", "model": "bad", "input": 1, "output": 2, "validFrom": "2020-01-01T00:00:00Z" }),
            "past",
        ),
        (json!({ "service": "own", "model": "bad", "input": 0, "output": 0 }), "free"),
        (json!({ "service": "own", "model": "bad", "input": 200_000, "output": 1 }), "above 100000"),
    ] {
        let path = file(&data, &json!([good, bad]));
        let refused = hub(&data, &["prices", "import", &path]);
        assert_eq!(refused.status.code(), Some(1), "{bad}");
        assert!(text(&refused.stdout).contains(reason), "{bad}: {}", text(&refused.stdout));
    }
    for unreadable in
        [json!([{ "service": "own", "model": "m", "input": "x", "output": 1 }]), json!({ "price": [] }), json!([])]
    {
        let path = file(&data, &unreadable);
        assert_eq!(hub(&data, &["prices", "import", &path]).status.code(), Some(1), "{unreadable}");
    }
    assert!(listed(&data, "own").is_empty(), "nothing of a refused import may stay");
}

#[test]
fn unusual_prices_need_a_flag() {
    let (_directory, data) = data();
    let free = file(&data, &json!([{ "service": "own", "model": "free", "input": 0, "output": 0 }]));
    assert_eq!(json(&data, &["prices", "import", "--allow-unusual", &free])["written"], 1);
    let checked = hub(&data, &["prices", "check"]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stdout));
    assert!(text(&checked.stdout).contains("own/free: calls would be free"), "{}", text(&checked.stdout));
}

#[test]
fn what_this_version_seeds_can_be_taken_over_and_is_what_a_new_hub_has() {
    let (_directory, data) = data();
    let seeded = json(&data, &["prices", "list", "--seeded", "--service", "claude"]);
    let path = file(&data, &seeded);
    let changes = json(&data, &["prices", "diff", &path])["changes"].as_array().cloned().unwrap_or_default();
    assert!(changes.len() > 3 && changes.iter().all(|change| change["kind"] == "same"), "{changes:#?}");
    assert_eq!(json(&data, &["prices", "import", &path])["written"], 0);
}

#[test]
fn an_empty_month_computes_again_without_differences() {
    let (_directory, data) = data();
    let found = json(&data, &["receipts", "recompute", "--month", "2026-11"]);
    assert_eq!((&found["receipts"], &found["differences"]), (&json!(0), &json!(0)));
    assert_eq!(hub(&data, &["receipts", "recompute", "--month", "2026-13"]).status.code(), Some(2));
}

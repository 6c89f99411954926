//! The commands scripts rely on: their JSON, their exit codes.

use std::path::PathBuf;

use hub_domain::pricing::{self, PriceBook};
use hub_store::holds::{self, NewHold};
use hub_store::{Engine, Store, StoreOptions, users};
use hub_types::{Clock, Credits, HoldId};
use serde_json::{Value, json};

use crate::binary::{hub, json, text};

const PASSWORD: &str = "seven grey herons stand in the reeds";

fn data() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    (directory, data)
}

fn create(data: &std::path::Path) -> Value {
    json(data, &["admin", "create-user", "--email", "Ann@Example.com", "--password", PASSWORD, "--role", "user"])
}

#[test]
fn accounts_keys_and_credits_are_made_on_the_command_line() {
    let (_directory, data) = data();
    let user = create(&data);
    assert_eq!(
        (&user["email"], &user["role"], &user["password"]),
        (&json!("ann@example.com"), &json!("user"), &Value::Null)
    );
    let key = json(
        &data,
        &["admin", "create-key", "--email", "ann@example.com", "--name", "ci", "--scopes", "models:read,credits:read"],
    );
    assert!(key["key"].as_str().is_some_and(|key| key.starts_with("sk_") && key.len() == 46), "{key}");
    assert_eq!(key["scopes"], json!(["models:read", "credits:read"]));
    let grant =
        json(&data, &["admin", "grant-credits", "--email", "ann@example.com", "--amount", "12.5", "--reason", "hello"]);
    assert_eq!((&grant["amount"], &grant["balance"]), (&json!(12.5), &json!(12.5)));
    let reset = json(&data, &["admin", "reset-password", "--email", "ann@example.com"]);
    assert!(reset["password"].as_str().is_some_and(|password| password.len() == 24), "{reset}");
    let report = json(&data, &["ledger", "verify"]);
    assert_eq!((&report["clean"], &report["transactions"]), (&json!(true), &json!(1)));
}

#[test]
fn the_ledger_is_exported_in_order_for_one_account_and_a_span_of_time() {
    let (_directory, data) = data();
    for email in ["ann@example.com", "bob@example.com"] {
        json(&data, &["admin", "create-user", "--email", email, "--password", PASSWORD]);
        for amount in ["12.5", "1"] {
            json(&data, &["admin", "grant-credits", "--email", email, "--amount", amount, "--reason", "a, \"b\""]);
        }
    }
    let export = |arguments: &[&str]| {
        let output = hub(&data, &[&["ledger", "export"], arguments].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let rows: Vec<Value> =
        export(&["--format", "ndjson"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let order: Vec<_> = rows.iter().map(|row| (row["userId"].to_string(), row["version"].as_i64())).collect();
    assert!(order.len() == 4 && order.is_sorted(), "{order:?}");
    assert_eq!((&rows[0]["amount"], &rows[0]["counterAccount"]), (&json!(12.5), &json!("promotions")));

    let csv = export(&["--user", "ann@example.com"]);
    let lines: Vec<&str> = csv.split("\r\n").collect();
    assert!(lines[0].starts_with("id,userId,version,kind,"), "{csv}");
    assert!(lines.len() == 4 && lines[3].is_empty() && lines[1].contains(",\"a, \"\"b\"\"\","), "{csv}");
    assert_eq!(export(&["--format", "ndjson", "--to", "2020-01-01T00:00:00Z"]), "");
}

#[test]
fn people_get_words() {
    let (_directory, data) = data();
    let made = hub(&data, &["admin", "create-user", "--email", "ann@example.com"]);
    assert!(made.status.success());
    assert!(text(&made.stdout).contains("Password, shown now and never again: "), "{}", text(&made.stdout));
    let verified = hub(&data, &["ledger", "verify"]);
    assert!(text(&verified.stdout).contains("The ledger is clean: 1 accounts"), "{}", text(&verified.stdout));
}

#[test]
fn refusals_have_a_reason_and_an_exit_code() {
    let (_directory, data) = data();
    create(&data);
    for (arguments, code, reason) in [
        (vec!["admin", "create-user", "--email", "ann@example.com"], 1, "there is an account with this address"),
        (vec!["admin", "create-user", "--email", "bob@example.com", "--password", "Password1!"], 1, "the password"),
        (vec!["admin", "create-user", "--email", "bob@example.com", "--role", "king"], 1, "no such role"),
        (
            vec!["admin", "create-key", "--email", "nobody@example.com", "--name", "x"],
            1,
            "no account with the address nobody@example.com",
        ),
        (
            vec!["admin", "create-key", "--email", "ann@example.com", "--name", "x", "--scopes", "users:delete"],
            1,
            "scopes",
        ),
        (vec!["admin", "grant-credits", "--email", "ann@example.com", "--amount", "-5"], 2, "--amount"),
        (vec!["admin", "grant-credits", "--email", "ann@example.com", "--amount", "0"], 1, "amount"),
        (vec!["admin", "create-user", "--email", "no address"], 2, "--email"),
        (vec!["serve", "--roles", "auth,oauth"], 2, "`oauth` is no role"),
        (vec!["fly"], 2, "fly"),
    ] {
        let output = hub(&data, &arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(reason) && output.stdout.is_empty(), "{arguments:?}: {said}");
    }
}

#[test]
fn with_json_errors_are_json_too() {
    let (_directory, data) = data();
    let output = hub(&data, &["ledger", "verify", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let error: Value = serde_json::from_slice(&output.stderr).expect("JSON");
    assert!(
        error["error"]["message"].as_str().is_some_and(|text| text.contains("has this hub ever been started")),
        "{error}"
    );
}

#[tokio::test]
async fn a_ledger_with_a_fault_is_not_clean_and_the_culprit_is_named() {
    let (_directory, data) = data();
    create(&data);
    json(&data, &["admin", "grant-credits", "--email", "ann@example.com", "--amount", "5"]);
    forget_a_hold(&data).await;
    let output = hub(&data, &["ledger", "verify", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&report["clean"], &report["openHolds"]), (&json!(false), &json!(1)));
    let words = text(&hub(&data, &["ledger", "verify"]).stdout);
    assert!(
        words.contains("FAULTY no hold outlives its lease") && words.contains("The ledger is NOT clean"),
        "{words}"
    );
}

/// A call whose process died an hour ago, and that no worker has ended.
async fn forget_a_hold(data: &std::path::Path) {
    let engine = Engine::Sqlite { path: data.join("hub.db") };
    let options = StoreOptions::new(engine, 2);
    let store = Store::open(&options).await.expect("the database opens");
    let (clock, book) = (Clock::system(), PriceBook::default());
    pricing::load(&store, &book).await.expect("prices");
    let price = book.current("sandbox", "sandbox", clock.now()).expect("a price");
    let mut tx = store.write().await.expect("a transaction");
    let user =
        users::by_email(&mut tx, &"ann@example.com".parse().expect("an address")).await.expect("read").expect("ann");
    let long_ago = clock.now() - chrono::Duration::hours(1);
    let hold = NewHold {
        id: HoldId::new(&clock),
        user: user.id,
        api_key: None,
        request_id: "lost".to_owned(),
        kind: "chat",
        amount: Credits::whole(1),
        price: price.id,
        service: "sandbox".to_owned(),
        provider: "sandbox".to_owned(),
        model: "sandbox".to_owned(),
        owner: "dead".to_owned(),
        checkpoint: json!({}),
        lease_until: long_ago,
        budgets: Vec::new(),
        at: long_ago,
    };
    assert_eq!(holds::open(&mut tx, &hold).await.expect("the hold is opened"), holds::Opened::Yes);
    tx.commit().await.expect("commit");
    store.close().await;
}

#[test]
fn the_document_needs_no_hub_and_leaves_nothing_behind() {
    let (directory, data) = data();
    let output = hub(&data, &["openapi"]);
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for path in ["/api/auth/login", "/api/keys", "/api/credits/balance", "/v1/chat/completions", "/api/ws"] {
        assert!(document["paths"][path].is_object(), "{path} is not in the document");
    }
    assert_eq!(std::fs::read_dir(directory.path()).expect("the directory").count(), 0);
}

#[test]
fn migrating_says_what_it_did() {
    let (_directory, data) = data();
    let first = json(&data, &["migrate"]);
    assert_eq!(first["new"], first["applied"]);
    let again = json(&data, &["migrate"]);
    assert_eq!((&again["new"], &again["database"]), (&json!(0), &json!("sqlite")));
}

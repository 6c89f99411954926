//! Who may depend on whom. The tables here are the rule; ARCHITECTURE.md explains it.

use anyhow::{Context, Result};
use serde_json::Value;

/// Each room and the rooms to its left that it may use. A room that is not listed is not tidy.
const ROOMS: &[(&str, &[&str])] = &[
    ("hub-types", &[]),
    ("hub-store", &["hub-types"]),
    ("hub-cache", &["hub-types"]),
    ("hub-clients", &["hub-types"]),
    ("hub-web", &["hub-types"]),
    ("hub-domain", &["hub-types", "hub-store", "hub-cache", "hub-clients"]),
    ("hub-auth", EDGE),
    ("hub-core", EDGE),
    ("hub-mcp", EDGE),
    ("hub-gateway", &["hub-types", "hub-web"]),
    ("hub-worker", &["hub-types", "hub-store", "hub-cache", "hub-clients", "hub-domain"]),
    ("hub", EVERYTHING),
    ("hub-testkit", EVERYTHING),
    ("xtask", &["hub-types"]),
];

const EDGE: &[&str] = &["hub-types", "hub-store", "hub-cache", "hub-clients", "hub-domain", "hub-web"];

const EVERYTHING: &[&str] = &[
    "hub",
    "hub-types",
    "hub-store",
    "hub-cache",
    "hub-clients",
    "hub-domain",
    "hub-web",
    "hub-auth",
    "hub-core",
    "hub-mcp",
    "hub-gateway",
    "hub-worker",
];

/// For tests any room may also use this one.
const TESTKIT: &str = "hub-testkit";

/// Crates of others that belong to some rooms only.
const OWNED: &[(&str, &[&str])] = &[
    ("sqlx", &["hub-store"]),
    ("redis", &["hub-cache"]),
    ("moka", &["hub-cache"]),
    ("anyhow", &["hub", "hub-testkit", "xtask"]),
];

/// Rooms that know nothing of HTTP servers. For tests they may: a fake of a stranger's server needs one.
const WITHOUT_AXUM: &[&str] = &["hub-types", "hub-store", "hub-cache", "hub-clients", "hub-domain", "hub-worker"];

/// Everything that is wrong with the dependencies of our packages.
pub(super) fn check(metadata: &Value) -> Result<Vec<String>> {
    let packages = metadata.get("packages").and_then(Value::as_array).context("cargo metadata has no packages")?;
    let mut wrong = Vec::new();
    for package in packages {
        let room = text(package, "name");
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            wrong.push(format!("{room}: not in the table of rooms (xtask/src/tidy/arrows.rs)"));
            continue;
        };
        for dependency in package.get("dependencies").and_then(Value::as_array).into_iter().flatten() {
            let name = text(dependency, "name");
            let for_tests = text(dependency, "kind") == "dev";
            if let Some(why) = problem(room, allowed, name, for_tests) {
                wrong.push(format!("{room} must not depend on {name}: {why}"));
            }
        }
    }
    Ok(wrong)
}

fn problem(room: &str, allowed: &[&str], name: &str, for_tests: bool) -> Option<String> {
    let ours = name == TESTKIT || ROOMS.iter().any(|(room, _)| *room == name);
    if ours && !allowed.contains(&name) && !(for_tests && name == TESTKIT) {
        return Some("arrows only point left".to_owned());
    }
    if name == "axum" && !for_tests && WITHOUT_AXUM.contains(&room) {
        return Some("it knows nothing of HTTP servers".to_owned());
    }
    let owners = OWNED.iter().find(|(owned, _)| *owned == name).map(|(_, owners)| owners)?;
    (!owners.contains(&room)).then(|| format!("that is for {}", owners.join(", ")))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn complaints(room: &str, dependency: &str, kind: Option<&str>) -> usize {
        let package = json!({"name": room, "dependencies": [{"name": dependency, "kind": kind}]});
        check(&json!({"packages": [package]})).unwrap().len()
    }

    #[test]
    fn an_arrow_to_the_left_is_fine_and_to_the_right_or_sideways_is_not() {
        assert_eq!(complaints("hub-domain", "hub-store", None), 0);
        assert_eq!(complaints("hub-store", "hub-domain", None), 1);
        assert_eq!(complaints("hub-auth", "hub-core", None), 1);
        assert_eq!(complaints("hub-gateway", "hub-domain", None), 1);
    }

    #[test]
    fn the_testkit_is_for_tests_only() {
        assert_eq!(complaints("hub-core", "hub-testkit", Some("dev")), 0);
        assert_eq!(complaints("hub-core", "hub-testkit", None), 1);
    }

    #[test]
    fn crates_of_others_stay_in_the_rooms_that_own_them() {
        assert_eq!(complaints("hub-store", "sqlx", None), 0);
        assert_eq!(complaints("hub-domain", "sqlx", Some("dev")), 1);
        assert_eq!(complaints("hub-gateway", "redis", None), 1);
        assert_eq!(complaints("hub-domain", "axum", None), 1);
        assert_eq!(complaints("hub-clients", "axum", Some("dev")), 0);
        assert_eq!(complaints("hub-new", "serde", None), 1);
    }
}

//! The table of checks is true: each check has tests, and each test that it names is there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Every acceptance check of security.
const CHECKS: &[&str] = &[
    "REG-01", "REG-02", "REG-03", "REG-05", "REG-08", "REG-10", "PWD-01", "PWD-04", "PWD-06", "PWD-07", "BRU-01",
    "BRU-04", "JWT-01", "JWT-02", "JWT-05", "JWT-06", "JWT-07", "SES-01", "SES-03", "SES-04", "SES-05", "OAU-01",
    "OAU-02", "OAU-06", "OAU-07", "OAU-08", "OSV-01", "RBA-01", "RBA-02", "RBA-03", "RBA-05", "KEY-01", "KEY-02",
    "RL-01", "RL-03", "HDR-01", "HDR-02", "HDR-03", "RES-01", "RES-02", "RES-05", "RES-06", "AUD-01",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The text of all Rust tests, and of the suites.
fn sources(folder: &Path, ends: &[&str], into: &mut String) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() && !["target", "node_modules", ".venv", "src"].contains(&name.as_str()) {
            sources(&path, ends, into);
        } else if ends.iter().any(|end| name.ends_with(end)) {
            into.push_str(&fs::read_to_string(&path).unwrap_or_default());
        }
    }
}

/// The words in backquotes.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn every_check_has_tests_and_every_test_named_is_there() {
    let table = fs::read_to_string(root().join("docs/security-checks.md")).unwrap();
    let (mut rust, mut suites) = (String::new(), String::new());
    sources(&root().join("crates"), &[".rs"], &mut rust);
    sources(&root().join("tests/e2e"), &[".py", ".mjs"], &mut suites);

    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for line in table.lines().filter(|line| line.starts_with("| ")).skip(2) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, check, tests, place, _] = cells[..] else { panic!("not three cells: {line}") };
        for test in quoted(tests) {
            let there = match place {
                "e2e" => suites.contains(test),
                _ => rust.contains(&format!("fn {test}(")),
            };
            if !there {
                wrong.push(format!("{check}: {test} is not in the sources ({place})"));
            }
            *found.entry(check).or_default() += 1;
        }
    }
    wrong.extend(CHECKS.iter().filter(|check| !found.contains_key(*check)).map(|check| format!("{check} has no test")));
    wrong.extend(found.keys().filter(|check| !CHECKS.contains(check)).map(|check| format!("{check} is no check")));
    // A test that carries a check's name is listed, so that the table is whole.
    for check in CHECKS {
        let beginning = format!("fn {}_", check.to_lowercase().replace('-', "_"));
        for at in rust.match_indices(&beginning).map(|(at, _)| at) {
            let name = rust[at + 3..].split('(').next().unwrap_or_default();
            if !table.contains(&format!("`{name}`")) {
                wrong.push(format!("{check}: {name} is not in docs/security-checks.md"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

//! The list of actions in `docs/audit.md` is the one in the code.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else {
            text.push_str(&fs::read_to_string(&path).unwrap_or_default());
        }
    }
}

#[test]
fn every_action_is_documented_and_nothing_else() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    sources(&root.join("src"), &mut code);
    let docs = fs::read_to_string(root.join("../../docs/audit.md")).unwrap();
    let rows = docs.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let documented: BTreeSet<&str> = rows.collect();
    let used: BTreeSet<&str> = code.split("Event::new(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let missing: Vec<_> = used.difference(&documented).collect();
    assert!(missing.is_empty(), "add these to the table of docs/audit.md: {missing:?}");
    let unused: Vec<_> = documented.iter().filter(|action| !code.contains(&format!("\"{action}\""))).collect();
    assert!(documented.len() > 20 && unused.is_empty(), "no code writes these: {unused:?}");
}

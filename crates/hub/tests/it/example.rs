//! `hub.example.toml` is the reference of all settings: every key, every default, nothing else.

use std::collections::BTreeSet;

use hub::config::shape::Shape;
use hub::config::{EXAMPLE, Settings};

/// Keys of the example as dotted paths, those commented out (`#name =`) too.
fn keys() -> BTreeSet<String> {
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in EXAMPLE.lines() {
        let line = line.strip_prefix('#').unwrap_or(line);
        if let Some(list) = line.strip_prefix("[[").and_then(|rest| rest.strip_suffix("]]")) {
            // A list in the entries of the list before it.
            let inner = section
                .split_once("[]")
                .and_then(|(outer, _)| list.strip_prefix(&format!("{outer}.")).map(|rest| (outer, rest)));
            section = inner.map_or_else(|| format!("{list}[]"), |(outer, rest)| format!("{outer}[].{rest}[]"));
        } else if let Some(table) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = table.to_owned();
        } else if let Some((key, _)) = line.split_once(" = ")
            && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        {
            assert!(keys.insert(format!("{section}.{key}")), "{section}.{key} stands twice");
        }
    }
    keys
}

#[test]
fn every_setting_is_in_the_example_and_nothing_else() {
    let known: BTreeSet<String> = Shape::of::<Settings>().paths().into_iter().collect();
    let shown = keys();
    assert_eq!(known.difference(&shown).collect::<Vec<_>>(), Vec::<&String>::new(), "not in hub.example.toml");
    assert_eq!(shown.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new(), "no such setting");
}

#[test]
fn the_example_says_the_true_defaults() {
    let example: Settings = toml::from_str(EXAMPLE).expect("the example is readable");
    assert_eq!(format!("{example:#?}"), format!("{:#?}", Settings::default()));
}

#[test]
fn the_example_is_readable_with_every_key_switched_on() {
    let uncommented = |line: &str| {
        let bare = line.strip_prefix('#').unwrap_or(line);
        if bare.starts_with(' ') { line.to_owned() } else { bare.to_owned() }
    };
    let text: String = EXAMPLE.lines().map(|line| uncommented(line) + "\n").collect();
    let mut settings: Settings = toml::from_str(&text).expect("the example is readable");
    assert!(settings.ops.listen.is_some() && settings.providers.len() == 1 && settings.pricing.models.len() == 1);
    // An entry with its optional keys as the example says has the defaults.
    let short = "[[providers]]\nname = \"openai\"\nservice = \"openai\"\nbase_url = \"https://api.openai.com/v1\"\napi_key = \"x\"";
    let short: Settings = toml::from_str(short).expect("an entry is readable");
    assert_eq!(settings.providers[0].credentials.len(), 1);
    settings.providers[0].credentials.clear();
    // These have no value that says the same as leaving them out.
    assert!(settings.providers[0].wires.take().is_some_and(|wires| wires.len() == 3));
    assert_eq!(std::mem::take(&mut settings.providers[0].hosted_tools), ["web_search"]);
    assert_eq!(format!("{:?}", short.providers), format!("{:?}", settings.providers));
    let mut full = settings.oauth;
    for entry in &mut full {
        // These have no defaults.
        (entry.issuer, entry.authorization_endpoint, entry.token_endpoint) = (None, None, None);
        (entry.userinfo_endpoint, entry.jwks_endpoint) = (None, None);
    }
    let short = "[[oauth]]\nname = \"sora2\"\nclient_id = \"hub\"\nclient_secret = \"x\"";
    let short: Settings = toml::from_str(short).expect("an entry is readable");
    assert_eq!(format!("{:?}", short.oauth), format!("{full:?}"));
}

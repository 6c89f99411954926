//! `hub config print`: the settings in force, who set each, and no secret among them.

use std::fmt;

use serde::Serialize;
use toml::{Table, Value};
use url::Url;

use super::layers::insert;
use super::{EXAMPLE, Loaded, Source};

/// What stands where a secret is set.
const MASK: &str = "***";

/// The settings in force, ready to be shown.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    /// All settings; secrets are masked, and those that are not set and have no default are left out.
    pub settings: Table,
    /// Who set what differs from the defaults: full name to a file or a variable.
    pub sources: Table,
}

impl Loaded {
    /// The settings in force, with secrets masked.
    pub fn shown(&self) -> Shown {
        // The example holds every default, and a test keeps it so.
        let mut settings = EXAMPLE.parse::<Table>().unwrap_or_default();
        let mut sources = Table::new();
        for (name, value, source) in self.layers.assigned() {
            insert(&mut settings, name, value.clone());
            sources.insert(name.to_owned(), Value::String(source.to_string()));
        }
        if self.source("identity.public_url") == Source::Default {
            insert(&mut settings, "identity.public_url", Value::String(self.settings.identity.public_url.clone()));
        }
        for (name, value) in &mut settings {
            mask(name, value);
        }
        Shown { settings, sources }
    }
}

impl fmt::Display for Shown {
    /// As a settings file, with the sources as comments at its head.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, source) in &self.sources {
            writeln!(f, "# {name} comes from {}", source.as_str().unwrap_or_default())?;
        }
        let text = toml::to_string(&self.settings).map_err(|_| fmt::Error)?;
        write!(f, "{}{text}", if self.sources.is_empty() { "" } else { "\n" })
    }
}

/// True for settings whose value is a secret, by the rule of their names. URLs are looked at apart.
pub(super) fn is_secret(name: &str) -> bool {
    let key = name.rsplit('.').next().unwrap_or(name);
    let key = key.split('[').next().unwrap_or(key);
    ["secret", "secret_previous", "key", "token", "password", "pepper", "headers"].iter().any(|end| key.ends_with(end))
        || is_secret_url(key)
}

/// URLs that may carry a password.
fn is_secret_url(key: &str) -> bool {
    matches!(key, "url" | "redis_url" | "smtp_url")
}

fn mask(name: &str, value: &mut Value) {
    match value {
        Value::Table(table) => table.iter_mut().for_each(|(name, value)| mask(name, value)),
        Value::Array(list) => list.iter_mut().for_each(|value| mask(name, value)),
        Value::String(text) if is_secret_url(name) => *text = without_password(text),
        other if is_secret(name) => *other = Value::String(MASK.to_owned()),
        _ => {}
    }
}

/// A URL with its password masked; text that is no URL is masked whole.
fn without_password(text: &str) -> String {
    let Ok(mut url) = text.parse::<Url>() else { return MASK.to_owned() };
    if url.password().is_some() && url.set_password(Some(MASK)).is_err() {
        return MASK.to_owned();
    }
    // Parameters may hold a password as well.
    if url.query().is_some() {
        url.set_query(Some(MASK));
    }
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_what_opens_it() {
        assert_eq!(without_password("postgres://hub:hush@db:5432/hub"), "postgres://hub:***@db:5432/hub");
        assert_eq!(without_password("redis://:hush@cache"), "redis://:***@cache");
        assert_eq!(without_password("postgres://db/hub?password=hush"), "postgres://db/hub?***");
        assert_eq!(without_password("smtps://hub:hush@mail"), "smtps://hub:***@mail");
        assert_eq!(without_password("hush hush"), "***");
    }

    #[test]
    fn secrets_are_known_by_their_names() {
        for name in [
            "security.jwt_secret",
            "security.jwt_secret_previous",
            "providers[0].api_key",
            "ops.token",
            "database.url",
            "security.password_pepper",
            "telemetry.otlp_headers[0]",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in
            ["identity.public_url", "providers[0].base_url", "providers[0].max_tokens_field", "identity.passwords"]
        {
            assert!(!is_secret(name), "{name}");
        }
    }
}

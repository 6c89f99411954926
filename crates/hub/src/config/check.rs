//! Values that parse but cannot be right: ranges, and settings that do not go together.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use hub_domain::identity::Algorithm;
use hub_domain::sessions::TokenKeys;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::Settings;
use super::error::Problem;
use super::layers::Layers;
use super::sections::Provider;

/// Shortest pepper, in bytes.
const SHORTEST_PEPPER: usize = 32;
/// Shortest token for metrics, in characters.
const SHORTEST_TOKEN: usize = 16;

/// Notes every problem in `layers`.
pub(super) fn values(settings: &Settings, layers: &mut Layers) {
    let mut check = Check { layers };
    check.ranges(settings);
    check.shared(settings);
    check.secrets(settings);
    check.addresses(settings);
    check.providers(&settings.providers);
}

struct Check<'a> {
    layers: &'a mut Layers,
}

impl Check<'_> {
    fn wrong(&mut self, setting: &str, message: impl Into<String>) {
        let source = self.layers.source(setting);
        self.layers.problems.push(Problem { setting: setting.to_owned(), source, message: message.into() });
    }

    fn unless(&mut self, fine: bool, setting: &str, message: &str) {
        if !fine {
            self.wrong(setting, message);
        }
    }

    fn range<T: TryInto<i64>>(&mut self, setting: &str, value: T, allowed: RangeInclusive<i64>) {
        let value = value.try_into().unwrap_or(i64::MAX);
        if !allowed.contains(&value) {
            self.wrong(setting, format!("is {value}, must be {} to {}", allowed.start(), allowed.end()));
        }
    }

    fn ranges(&mut self, settings: &Settings) {
        let Settings { server, database, cache, sandbox, identity, sessions, credits, inference, .. } = settings;
        self.range("server.max_connections", server.max_connections, 1..=1_000_000);
        self.range("server.header_timeout_seconds", server.header_timeout_seconds, 1..=120);
        self.range("server.idle_timeout_seconds", server.idle_timeout_seconds, 1..=3600);
        self.range("server.write_timeout_seconds", server.write_timeout_seconds, 1..=600);
        self.range("server.drain_seconds", server.drain_seconds, 0..=300);
        self.range("database.max_connections", database.max_connections, 2..=500);
        self.range("database.acquire_timeout_seconds", database.acquire_timeout_seconds, 1..=60);
        let prefix = (1..=64).contains(&cache.prefix.len()) && !cache.prefix.contains(char::is_whitespace);
        self.unless(prefix, "cache.prefix", "must have 1 to 64 characters without spaces");
        self.range("sandbox.delay_ms", sandbox.delay_ms, 0..=1000);
        self.range("sessions.access_seconds", sessions.access_seconds, 30..=3600);
        self.range("sessions.idle_days", sessions.idle_days, 1..=365);
        self.range("sessions.absolute_days", sessions.absolute_days, sessions.idle_days.clamp(1, 365)..=3650);
        self.range("sessions.grace_seconds", sessions.grace_seconds, 0..=60);
        self.range("sessions.per_user", sessions.per_user, 1..=1000);
        self.range("credits.lease_seconds", credits.lease_seconds, 10..=600);
        self.unless(credits.welcome.micro() >= 0, "credits.welcome", "must not be below zero");
        self.range("inference.slow_reader_seconds", inference.slow_reader_seconds, 1..=300);
        self.range("inference.stream_buffer", inference.stream_buffer, 1..=4096);
        let hashing = &identity.passwords;
        self.range("identity.passwords.memory_kib", hashing.memory_kib, 8..=1_048_576);
        self.range("identity.passwords.passes", hashing.passes, 1..=100);
        self.range("identity.passwords.bcrypt_cost", hashing.bcrypt_cost, 4..=31);
        self.range("identity.passwords.wait_ms", hashing.wait_ms, 1..=60_000);
        let level = settings.log.level.parse::<tracing_subscriber::filter::Targets>().is_ok();
        self.unless(
            level,
            "log.level",
            "must be error, warn, info, debug or trace, or per room such as info,hub_store=debug",
        );
    }

    fn shared(&mut self, settings: &Settings) {
        if let Some(url) = &settings.database.url {
            let url = url.expose_secret();
            let postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
            let message =
                "must begin with postgres://; the embedded SQLite needs no URL, it lives in the data directory";
            self.unless(postgres, "database.url", message);
            let help = "is required with PostgreSQL, the same in every process; set JWT_SECRET, for instance to the output of \
                        `openssl rand -base64 48`";
            self.unless(settings.security.jwt_secret.is_some(), "security.jwt_secret", help);
            let pepper = settings.security.password_pepper.is_some();
            let bcrypt = settings.identity.passwords.algorithm == Algorithm::Bcrypt;
            let help = "is required for bcrypt with PostgreSQL, the same in every process";
            self.unless(pepper || !bcrypt, "security.password_pepper", help);
        }
        if let Some(url) = &settings.cache.redis_url {
            let redis = url.expose_secret().starts_with("redis://");
            self.unless(redis, "cache.redis_url", "must begin with redis://");
        }
    }

    fn secrets(&mut self, settings: &Settings) {
        let fits = |secret: Option<&SecretString>, least: usize| {
            secret
                .map(ExposeSecret::expose_secret)
                .is_none_or(|text| text.len() >= least && !text.contains("change-me"))
        };
        if let Some(secret) = &settings.security.jwt_secret
            && let Err(error) = TokenKeys::new(secret.expose_secret().as_bytes())
        {
            self.wrong("security.jwt_secret", error.to_string());
        }
        let pepper = fits(settings.security.password_pepper.as_ref(), SHORTEST_PEPPER);
        self.unless(pepper, "security.password_pepper", "must have at least 32 bytes and be no placeholder");
        let token = fits(settings.ops.token.as_ref(), SHORTEST_TOKEN);
        self.unless(token, "ops.token", "must have at least 16 characters and be no placeholder");
    }

    fn addresses(&mut self, settings: &Settings) {
        let public = settings.identity.public_url.as_str();
        let fits = is_web(public) && !public.ends_with('/') && !public.contains(['?', '#']);
        self.unless(fits, "identity.public_url", "must be an http or https address without a slash at its end");
        for origin in &settings.server.cors_origins {
            // Browsers send scheme, host and port; anything else would never match, and `*` with credentials is no allow-list.
            let exact = origin.parse::<Url>().is_ok_and(|url| url.origin().ascii_serialization() == *origin);
            self.unless(
                exact && is_web(origin) && !origin.contains('*'),
                "server.cors_origins",
                "must hold origins such as https://app.example.com, never * or null",
            );
        }
        let upstreams = &settings.upstreams;
        for (name, list) in [("auth", &upstreams.auth), ("core", &upstreams.core), ("mcp", &upstreams.mcp)] {
            let plain = list
                .iter()
                .all(|url| url.scheme() == "http" && url.has_host() && url.path() == "/" && url.query().is_none());
            self.unless(
                plain,
                &format!("upstreams.{name}"),
                "must hold addresses such as http://10.0.0.7:3001, without a path",
            );
        }
    }

    fn providers(&mut self, providers: &[Provider]) {
        let mut names = HashSet::new();
        for (index, provider) in providers.iter().enumerate() {
            let setting = |key: &str| format!("providers[{index}].{key}");
            let word = |text: &str| {
                let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
                (1..=40).contains(&text.len()) && text.bytes().all(letter)
            };
            self.unless(word(&provider.name), &setting("name"), "must have 1 to 40 characters of a-z, 0-9, - and _");
            let service = provider.service.as_deref().is_none_or(word);
            self.unless(service, &setting("service"), "must have 1 to 40 characters of a-z, 0-9, - and _");
            self.unless(provider.name != "sandbox", &setting("name"), "is taken by the hub's own sandbox");
            self.unless(names.insert(&provider.name), &setting("name"), "must be unique");
            self.unless(is_web(provider.base_url.as_str()), &setting("base_url"), "must be an http or https address");
            self.range(&setting("connect_seconds"), provider.connect_seconds, 1..=60);
            self.range(&setting("first_byte_seconds"), provider.first_byte_seconds, 1..=900);
            self.range(&setting("idle_seconds"), provider.idle_seconds, 1..=900);
            self.range(&setting("whole_seconds"), provider.whole_seconds, 1..=3600);
            self.range(&setting("stream_seconds"), provider.stream_seconds, 1..=7200);
            self.range(&setting("hangup_seconds"), provider.hangup_seconds, 1..=600);
        }
    }
}

fn is_web(text: &str) -> bool {
    text.parse::<Url>().is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

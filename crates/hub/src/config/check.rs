//! Values that parse but cannot be right: ranges, and settings that do not go together.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use hub_clients::mail::SmtpConfig;
use hub_domain::identity::Algorithm;
use hub_domain::inference::{Misfit, RoutingSettings};
use hub_domain::limits::Roles;
use hub_domain::payments;
use hub_domain::pricing::ModelPrice;
use hub_domain::sessions::TokenKeys;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::Settings;
use super::error::Problem;
use super::layers::Layers;
use super::sections::{Mail, MailTransport, OAuth, Provider, Stripe, Telemetry};
use crate::telemetry;

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
    check.mail(&settings.mail);
    check.telemetry(&settings.telemetry);
    check.providers(&settings.providers);
    check.prices(&settings.pricing.models);
    check.routing(&settings.routing);
    check.sign_in(&settings.oauth);
    check.stripe(&settings.stripe);
    check.payments(&settings.payments);
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
        self.range("database.statement_timeout_seconds", database.statement_timeout_seconds, 1..=600);
        self.range("database.report_timeout_seconds", database.report_timeout_seconds, 1..=86_400);
        let prefix = (1..=64).contains(&cache.prefix.len()) && !cache.prefix.contains(char::is_whitespace);
        self.unless(prefix, "cache.prefix", "must have 1 to 64 characters without spaces");
        self.range("sandbox.delay_ms", sandbox.delay_ms, 0..=1000);
        self.range("sessions.access_seconds", sessions.access_seconds, 30..=3600);
        self.range("sessions.idle_days", sessions.idle_days, 1..=365);
        self.range("sessions.absolute_days", sessions.absolute_days, sessions.idle_days.clamp(1, 365)..=3650);
        self.range("sessions.grace_seconds", sessions.grace_seconds, 0..=60);
        self.range("sessions.per_user", sessions.per_user, 1..=1000);
        self.range("sessions.impersonation_minutes", sessions.impersonation_minutes, 1..=60);
        for (role, percent) in &settings.pricing.margins {
            self.range(&format!("pricing.margins.{role}"), *percent, 0..=1000);
        }
        self.range("credits.lease_seconds", credits.lease_seconds, 10..=600);
        self.unless(credits.welcome.micro() >= 0, "credits.welcome", "must not be below zero");
        self.roles(&settings.limits.roles);
        self.range("inference.slow_reader_seconds", inference.slow_reader_seconds, 1..=300);
        self.range("inference.queue_seconds", inference.queue_seconds, 0..=600);
        self.range("inference.queue_length", inference.queue_length, 0..=2000);
        self.range("inference.queue_per_user", inference.queue_per_user, 1..=2000);
        for (index, model) in settings.limits.models.iter().enumerate() {
            let setting = |key: &str| format!("limits.models[{index}].{key}");
            self.range(&setting("max_concurrent"), model.max_concurrent, 0..=10_000);
            self.range(&setting("requests_per_minute"), model.requests_per_minute, 0..=10_000);
            self.range(&setting("tokens_per_minute"), model.tokens_per_minute, 0..=1_000_000_000);
        }
        self.range("inference.stream_buffer", inference.stream_buffer, 1..=4096);
        self.range("inference.resume_seconds", inference.resume_seconds, 0..=3600);
        self.range("inference.resume_grace_seconds", inference.resume_grace_seconds, 0..=600);
        self.range("inference.resume_max_bytes", inference.resume_max_bytes, 1024..=16 * 1024 * 1024);
        self.range("inference.idempotency_hours", inference.idempotency_hours, 1..=168);
        self.range("inference.repetition_seconds", inference.repetition_seconds, 0..=600);
        self.range("inference.idempotency_max_bytes", inference.idempotency_max_bytes, 0..=16 * 1024 * 1024);
        self.range("audit.keep_days", settings.audit.keep_days, 0..=36_500);
        // No call lives so long, so none comes for a month that is gone.
        let usage = settings.usage.keep_days;
        self.unless(usage == 0 || (35..=36_500).contains(&usage), "usage.keep_days", "must be 0 or 35 to 36500");
        self.range("mail.timeout_seconds", settings.mail.timeout_seconds, 1..=25);
        self.range("identity.invite_days", identity.invite_days, 1..=30);
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

    fn roles(&mut self, roles: &Roles) {
        for (name, role) in
            [("guest", &roles.guest), ("user", &roles.user), ("manager", &roles.manager), ("admin", &roles.admin)]
        {
            let setting = |key: &str| format!("limits.roles.{name}.{key}");
            for (key, amount) in
                [("credits_per_day", role.credits_per_day), ("credits_per_month", role.credits_per_month)]
            {
                self.unless(amount.micro() >= 0, &setting(key), "must not be below zero");
            }
            self.range(&setting("tokens_per_minute"), role.tokens_per_minute, 0..=1_000_000_000);
            self.range(&setting("concurrent_calls"), role.concurrent_calls, 0..=1_000);
        }
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
            let sealing = settings.security.sealing_secret.is_some();
            let help = "is required once the token secret is replaced: second factors were sealed with the first token secret, so set it to \
                        that one, the same in every process";
            self.unless(sealing || settings.security.jwt_secret_previous.is_none(), "security.sealing_secret", help);
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
        let security = &settings.security;
        let signing = [("jwt_secret", &security.jwt_secret), ("jwt_secret_previous", &security.jwt_secret_previous)];
        for (name, secret) in signing {
            if let Some(secret) = secret
                && let Err(error) = TokenKeys::new(secret.expose_secret().as_bytes())
            {
                self.wrong(&format!("security.{name}"), error.to_string());
            }
        }
        let sealing = fits(security.sealing_secret.as_ref(), SHORTEST_PEPPER);
        self.unless(sealing, "security.sealing_secret", "must have at least 32 bytes and be no placeholder");
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

    fn mail(&mut self, mail: &Mail) {
        if mail.transport.is_none() && mail.smtp_url.is_some() && mail.sendgrid_api_key.is_some() {
            self.wrong("mail.transport", "is needed to choose: both mail.smtp_url and mail.sendgrid_api_key are set");
        }
        if let Some(url) = &mail.smtp_url
            && let Err(error) = SmtpConfig::from_url(url.expose_secret(), Duration::from_secs(mail.timeout_seconds))
        {
            self.wrong("mail.smtp_url", error.to_string());
        }
        let fits = mail.sendgrid_url.parse::<Url>().is_ok_and(|url| url.query().is_none() && keeps_secrets(&url));
        self.unless(fits, "mail.sendgrid_url", "must be an https address; http only on this machine");
        let transport = mail.transport();
        let (smtp, sendgrid) = (transport == MailTransport::Smtp, transport == MailTransport::Sendgrid);
        self.unless(!smtp || mail.smtp_url.is_some(), "mail.smtp_url", "is required for smtp; set SMTP_URL");
        let help = "is required for sendgrid; set SENDGRID_API_KEY";
        self.unless(!sendgrid || mail.sendgrid_api_key.is_some(), "mail.sendgrid_api_key", help);
        let files = transport == MailTransport::Outbox;
        self.unless(files || mail.from.is_some(), "mail.from", "is required when mail is sent: the address it is from");
    }

    fn telemetry(&mut self, telemetry: &Telemetry) {
        self.range("telemetry.timeout_seconds", telemetry.timeout_seconds, 1..=60);
        self.range("telemetry.queue_length", telemetry.queue_length, 16..=65_536);
        let ratio = (0.0..=1.0).contains(&telemetry.sample_ratio);
        self.unless(ratio, "telemetry.sample_ratio", "must be 0 to 1");
        let name = (1..=100).contains(&telemetry.service_name.len());
        self.unless(name, "telemetry.service_name", "must have 1 to 100 characters");
        let headers = telemetry.otlp_headers.iter().all(|header| telemetry::header(header).is_some());
        self.unless(headers, "telemetry.otlp_headers", "must hold headers such as \"authorization: Bearer ...\"");
        let Some(url) = &telemetry.otlp_endpoint else { return };
        let plain =
            is_web(url.as_str()) && url.query().is_none() && url.username().is_empty() && url.password().is_none();
        self.unless(plain, "telemetry.otlp_endpoint", "must be an http or https address without user and parameters");
        let safe = telemetry.otlp_headers.is_empty() || keeps_secrets(url);
        let help = "must be an https address where otlp_headers are sent; http only on this machine";
        self.unless(safe, "telemetry.otlp_endpoint", help);
    }

    fn providers(&mut self, providers: &[Provider]) {
        let mut names = HashSet::new();
        for (index, provider) in providers.iter().enumerate() {
            let setting = |key: &str| format!("providers[{index}].{key}");
            self.unless(word(&provider.name), &setting("name"), "must have 1 to 40 characters of a-z, 0-9, - and _");
            let service = provider.service.as_deref().is_none_or(word);
            self.unless(service, &setting("service"), "must have 1 to 40 characters of a-z, 0-9, - and _");
            self.unless(provider.name != "sandbox", &setting("name"), "is taken by the hub's own sandbox");
            self.unless(names.insert(&provider.name), &setting("name"), "must be unique");
            self.unless(is_web(provider.base_url.as_str()), &setting("base_url"), "must be an http or https address");
            for Misfit { setting: key, message, .. } in provider.dialect().misfits(provider.known_kind()) {
                self.wrong(&setting(key), message);
            }
            self.range(&setting("priority"), provider.priority, 0..=1000);
            self.range(&setting("max_concurrent"), provider.max_concurrent, 0..=10_000);
            self.range(&setting("requests_per_minute"), provider.requests_per_minute, 0..=10_000);
            self.range(&setting("tokens_per_minute"), provider.tokens_per_minute, 0..=1_000_000_000);
            self.credentials(index, provider);
            self.range(&setting("connect_seconds"), provider.connect_seconds, 1..=60);
            self.range(&setting("first_byte_seconds"), provider.first_byte_seconds, 1..=900);
            self.range(&setting("idle_seconds"), provider.idle_seconds, 1..=900);
            self.range(&setting("whole_seconds"), provider.whole_seconds, 1..=3600);
            self.range(&setting("stream_seconds"), provider.stream_seconds, 1..=7200);
            self.range(&setting("hangup_seconds"), provider.hangup_seconds, 1..=600);
        }
    }

    fn prices(&mut self, models: &[ModelPrice]) {
        let mut names = HashSet::new();
        for (index, model) in models.iter().enumerate() {
            let setting = format!("pricing.models[{index}]");
            self.unless(names.insert((&model.service, &model.model)), &setting, "must be the only price of its model");
            for fault in model.faults() {
                self.wrong(&setting, fault);
            }
            if !model.allow_unusual {
                for odd in model.unusual() {
                    self.wrong(&setting, format!("{odd}; set allow_unusual = true in it if that is meant"));
                }
            }
        }
    }

    fn credentials(&mut self, index: usize, provider: &Provider) {
        let mut labels: HashSet<&str> = provider.api_key.iter().map(|_| "default").collect();
        for (number, credential) in provider.credentials.iter().enumerate() {
            let setting = |key: &str| format!("providers[{index}].credentials[{number}].{key}");
            self.unless(
                word(&credential.label),
                &setting("label"),
                "must have 1 to 40 characters of a-z, 0-9, - and _",
            );
            let message = "must be unique; the provider's api_key is called default";
            self.unless(labels.insert(&credential.label), &setting("label"), message);
            self.range(&setting("weight"), credential.weight, 1..=1000);
            self.range(&setting("priority"), credential.priority, 0..=1000);
        }
    }

    fn routing(&mut self, routing: &RoutingSettings) {
        self.range("routing.tries", routing.tries, 1..=10);
        self.range("routing.first_pause_ms", routing.first_pause_ms, 0..=60_000);
        self.range("routing.longest_pause_ms", routing.longest_pause_ms, 0..=120_000);
        self.range("routing.deadline_seconds", routing.deadline_seconds, 1..=600);
        self.range("routing.rate_limit_pause_ms", routing.rate_limit_pause_ms, 0..=120_000);
        let breaker = &routing.breaker;
        self.range("routing.breaker.window_seconds", breaker.window_seconds, 1..=600);
        self.range("routing.breaker.failure_percent", breaker.failure_percent, 1..=100);
        self.range("routing.breaker.calls", breaker.calls, 1..=10_000);
        self.range("routing.breaker.open_seconds", breaker.open_seconds, 1..=3600);
        for (index, flags) in routing.models.iter().enumerate() {
            let setting = |key: &str| format!("routing.models[{index}].{key}");
            self.unless(!flags.model.is_empty(), &setting("model"), "must be a model's name, or its beginning and *");
            let vital = ["model", "messages", "stream", "max_tokens", "max_completion_tokens"];
            let safe = |names: &[String]| names.iter().all(|name| !vital.contains(&name.as_str()));
            self.unless(safe(&flags.drop), &setting("drop"), "must not name what every call needs");
        }
        self.unless(routing.stand_ins.len() <= 20, "routing.stand_ins", "must have at most 20 entries");
        for (index, stand_in) in routing.stand_ins.iter().enumerate() {
            let setting = |key: &str| format!("routing.stand_ins[{index}].{key}");
            self.unless(word(&stand_in.service), &setting("service"), "must be the service word of a provider");
            self.unless(!stand_in.model.is_empty(), &setting("model"), "must be a model with a price");
        }
        let mut names = HashSet::new();
        for (index, alias) in routing.aliases.iter().enumerate() {
            let setting = |key: &str| format!("routing.aliases[{index}].{key}");
            let name = (1..=200).contains(&alias.name.chars().count()) && !alias.name.contains(char::is_control);
            self.unless(name, &setting("name"), "must have 1 to 200 characters");
            self.unless(names.insert(&alias.name), &setting("name"), "must be unique");
            self.unless((1..=20).contains(&alias.targets.len()), &setting("targets"), "must have 1 to 20 entries");
            for (index, target) in alias.targets.iter().enumerate() {
                let setting = |key: &str| setting(&format!("targets[{index}].{key}"));
                self.unless(word(&target.service), &setting("service"), "must be the service word of a provider");
                self.unless(!target.model.is_empty(), &setting("model"), "must be a model with a price");
                self.range(&setting("priority"), target.priority, 0..=1000);
                self.range(&setting("weight"), target.weight, 0..=1000);
            }
        }
    }

    fn sign_in(&mut self, providers: &[OAuth]) {
        let mut names = HashSet::new();
        for (index, provider) in providers.iter().enumerate() {
            let setting = |key: &str| format!("oauth[{index}].{key}");
            self.unless(word(&provider.name), &setting("name"), "must have 1 to 40 characters of a-z, 0-9, - and _");
            // These stand in the same places as the names of providers.
            let free = !["session", "exchange", "password"].contains(&provider.name.as_str());
            self.unless(free, &setting("name"), "is taken by the hub itself");
            self.unless(names.insert(&provider.name), &setting("name"), "must be unique");
            let id = (1..=500).contains(&provider.client_id.len());
            self.unless(id, &setting("client_id"), "must have 1 to 500 characters");
            let scope = |text: &String| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
            self.unless(provider.scopes.iter().all(scope), &setting("scopes"), "must hold words without spaces");
        }
    }
}

impl Check<'_> {
    fn stripe(&mut self, stripe: &Stripe) {
        let key = stripe.secret_key.as_ref().map(ExposeSecret::expose_secret);
        let fits = key.is_none_or(|key| {
            (key.starts_with("sk_") || key.starts_with("rk_")) && key.bytes().all(|byte| byte.is_ascii_graphic())
        });
        self.unless(fits, "stripe.secret_key", "must begin with sk_ or rk_");
        let secrets =
            [("webhook_secret", &stripe.webhook_secret), ("webhook_secret_previous", &stripe.webhook_secret_previous)];
        for (name, secret) in secrets {
            // An empty one is none; it must never sign anything.
            let text = secret.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
            let fits = text.is_empty() || (text.len() >= SHORTEST_TOKEN && !text.contains("change-me"));
            self.unless(fits, &format!("stripe.{name}"), "must have at least 16 characters and be no placeholder");
        }
        let account = stripe.account.as_deref().is_none_or(|account| account.starts_with("acct_"));
        self.unless(account, "stripe.account", "must begin with acct_");
        let url = stripe.base_url.parse::<Url>().is_ok_and(|url| url.query().is_none() && keeps_secrets(&url));
        self.unless(url, "stripe.base_url", "must be an https address; http only on this machine");
    }

    fn payments(&mut self, payments: &payments::Settings) {
        let prefix =
            payments.invoice_prefix.len() <= 20 && payments.invoice_prefix.bytes().all(|b| b.is_ascii_graphic());
        self.unless(prefix, "payments.invoice_prefix", "must have at most 20 characters without spaces");
        self.range("payments.seller.vat_basis_points", payments.seller.vat_basis_points, 0..=10_000);
        let lines = payments.seller.address.len() <= 10;
        self.unless(lines, "payments.seller.address", "must have at most 10 lines");
        let mut ids = HashSet::new();
        for (index, package) in payments.packages.iter().enumerate() {
            let setting = |key: &str| format!("payments.packages[{index}].{key}");
            self.unless(word(&package.id), &setting("id"), "must have 1 to 40 characters of a-z, 0-9, - and _");
            self.unless(ids.insert(&package.id), &setting("id"), "must be unique");
            let name = (1..=100).contains(&package.name.chars().count()) && !package.name.contains(char::is_control);
            self.unless(name, &setting("name"), "must have 1 to 100 characters");
            self.unless(package.credits.is_positive(), &setting("credits"), "must be above zero");
            self.range(&setting("price_minor"), package.price_minor, 1..=99_999_999);
            let currency = package.currency.len() == 3 && package.currency.bytes().all(|b| b.is_ascii_lowercase());
            self.unless(currency, &setting("currency"), "must be a currency in lower case, such as usd");
        }
    }
}

/// A name that can stand in paths, labels and rows.
fn word(text: &str) -> bool {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    (1..=40).contains(&text.len()) && text.bytes().all(letter)
}

/// True where a key does not cross a network in the clear.
fn keeps_secrets(url: &Url) -> bool {
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && here)
}

fn is_web(text: &str) -> bool {
    text.parse::<Url>().is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

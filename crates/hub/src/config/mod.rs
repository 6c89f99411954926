//! The settings: one struct of sections, read from defaults ← a file ← the environment ← arguments.
//!
//! A wrong or unknown setting stops the start with its full name, where it came from and what is allowed. This module reads and
//! checks; it opens nothing and makes nothing.

mod check;
mod environment;
mod error;
mod layers;
mod print;
pub mod sections;
pub mod shape;

use std::path::{Path, PathBuf};

use hub_clients::oauth::GOOGLE_ISSUER;
use hub_domain::{audit, credits, identity, inference, limits, payments, pricing, sessions, usage};
use serde::Deserialize;
use toml::{Table, Value};

pub use environment::Environment;
pub use error::{ConfigError, Problem, Source};
pub use print::Shown;

use layers::Layers;
use sections::{
    Cache, Database, Log, Mail, OAuth, Ops, Provider, Sandbox, Security, Server, Stripe, Telemetry, Upstreams,
};
use shape::Shape;

/// The documented settings; every default stands in it, and a test keeps that true.
pub const EXAMPLE: &str = include_str!("../../../../hub.example.toml");
/// Where Anthropic's own API is.
const ANTHROPIC_URL: &str = "https://api.anthropic.com";
/// Where OpenAI's own API is.
const OPENAI_URL: &str = "https://api.openai.com/v1";

/// Everything an operator can set.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The public listener.
    pub server: Server,
    /// Metrics and detailed health.
    pub ops: Ops,
    /// Where the other processes are.
    pub upstreams: Upstreams,
    /// The database.
    pub database: Database,
    /// The cache.
    pub cache: Cache,
    /// Secrets of the hub itself.
    pub security: Security,
    /// Mail.
    pub mail: Mail,
    /// Logs.
    pub log: Log,
    /// Spans.
    pub telemetry: Telemetry,
    /// The model providers, best first.
    pub providers: Vec<Provider>,
    /// The provider inside the hub.
    pub sandbox: Sandbox,
    /// The sign-in providers.
    pub oauth: Vec<OAuth>,
    /// The payment provider.
    pub stripe: Stripe,
    /// Registration, passwords.
    pub identity: identity::Settings,
    /// Tokens and session lifetimes.
    pub sessions: sessions::Settings,
    /// Requests per minute by role.
    pub limits: limits::Settings,
    /// Starting credits, leases.
    pub credits: credits::Settings,
    /// Model calls.
    pub inference: inference::Settings,
    /// How model calls are tried, and aliases of models.
    pub routing: inference::RoutingSettings,
    /// Prices of the operator's own models.
    pub pricing: pricing::Settings,
    /// What is sold, and by whom.
    pub payments: payments::Settings,
    /// How long the audit trail is kept.
    pub audit: audit::Settings,
    /// How long calls are kept.
    pub usage: usage::Settings,
}

impl Settings {
    /// The sections the rules work with.
    pub fn domain(&self) -> hub_domain::Settings {
        hub_domain::Settings {
            identity: self.identity.clone(),
            sessions: self.sessions.clone(),
            limits: self.limits.clone(),
            credits: self.credits.clone(),
            inference: self.inference.clone(),
            routing: self.routing.clone(),
            pricing: self.pricing.clone(),
            payments: self.payments.clone(),
            audit: self.audit.clone(),
            usage: self.usage.clone(),
        }
    }

    /// True when everything is in the data directory: no PostgreSQL.
    pub const fn is_embedded(&self) -> bool {
        self.database.url.is_none()
    }

    /// Whether the sandbox is offered.
    pub fn offers_sandbox(&self) -> bool {
        self.sandbox.enabled.unwrap_or_else(|| self.is_embedded())
    }

    /// Whether the sandbox plays payment provider: everybody can then give themselves credits, so by default it does not where credits
    /// buy what costs the operator money. Providers that are added while the hub runs are asked for at each payment
    /// (`Hub::payments_are_off`).
    pub fn plays_payments(&self) -> bool {
        let harmless = || self.offers_sandbox() && self.providers.is_empty();
        self.stripe.secret_key.is_none() && self.payments.sandbox.unwrap_or_else(harmless)
    }
}

/// Where settings are looked for.
#[derive(Debug, Clone)]
pub struct Lookup<'a> {
    /// `--config FILE`; it must exist.
    pub file: Option<&'a Path>,
    /// The data directory: its `hub.toml` is read when there is one, else `hub.toml` in the working directory.
    pub data_dir: &'a Path,
    /// `--listen`.
    pub listen: Option<&'a str>,
}

/// Settings that passed every check, and where each came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
    /// What the operator should know, though it stops nothing.
    pub warnings: Vec<String>,
    layers: Layers,
}

impl Loaded {
    /// Who set this setting, by full name.
    pub fn source(&self, setting: &str) -> Source {
        self.layers.source(setting)
    }

    /// True when somebody set it.
    pub fn is_set(&self, setting: &str) -> bool {
        self.source(setting) != Source::Default
    }
}

/// Reads and checks the settings. All problems are told at once.
pub fn load(lookup: &Lookup<'_>, environment: &Environment) -> Result<Loaded, ConfigError> {
    let shape = Shape::of::<Settings>();
    let mut layers = Layers::default();
    let file = lookup.file.map(Path::to_owned).or_else(|| {
        let usual = [lookup.data_dir.join("hub.toml"), PathBuf::from("hub.toml")];
        usual.into_iter().find(|path| path.exists())
    });
    if let Some(path) = &file {
        layers.file(&shape, path);
    }
    layers.environment(&shape, environment);
    provider_variables(&mut layers, environment);
    google_variables(&mut layers, environment);
    if let Some(listen) = lookup.listen {
        layers.assign("server.listen".to_owned(), Value::String(listen.to_owned()), Source::Argument("--listen"));
    }
    let mut settings = read(&shape, &mut layers);
    if !layers.assigned().any(|(name, ..)| name == "identity.public_url") {
        settings.identity.public_url = usual_url(settings.server.listen);
    }
    check::values(&settings, &mut layers);
    let warnings = payment_warnings(&settings).into_iter().collect();
    if layers.problems.is_empty() {
        Ok(Loaded { settings, file, warnings, layers })
    } else {
        Err(ConfigError { problems: std::mem::take(&mut layers.problems) })
    }
}

/// Payments that would be noticed late, or never.
fn payment_warnings(settings: &Settings) -> Option<String> {
    let (sells, hears) = (settings.stripe.secret_key.is_some(), !settings.stripe.webhook_secrets().is_empty());
    let message = match (sells, hears) {
        (true, false) => {
            "stripe.webhook_secret is not set: /api/webhooks/stripe is off (404), and payments are found minutes late"
        }
        (false, true) => "stripe.webhook_secret is set, but stripe.secret_key is not: nothing is sold",
        _ => return None,
    };
    Some(message.to_owned())
}

/// Where people reach a hub whose public address nobody set. A socket that listens on every address has none of its own.
fn usual_url(listen: std::net::SocketAddr) -> String {
    if listen.ip().is_unspecified() {
        format!("http://localhost:{}", listen.port())
    } else {
        format!("http://{listen}")
    }
}

/// The type's own reading of what was set. What it refuses is noted and left out, so that the next problem is found too.
fn read(shape: &Shape, layers: &mut Layers) -> Settings {
    loop {
        let error = match serde_path_to_error::deserialize::<_, Settings>(Value::Table(layers.merged())) {
            Ok(settings) => return settings,
            Err(error) => error,
        };
        let setting = error.path().to_string();
        let source = layers.source(&setting);
        let message = if print::is_secret(&setting) {
            format!("must be {}", shape.get(&setting).map_or_else(|| "text".to_owned(), Shape::words))
        } else {
            error.inner().message().trim().to_owned()
        };
        let known = layers.forget(&setting);
        layers.problems.push(Problem { setting, source, message });
        if !known {
            return Settings::default();
        }
    }
}

/// The variables that official SDKs read.
fn provider_variables(layers: &mut Layers, environment: &Environment) {
    // A new entry stands before the others, so OpenAI's, being the last, is the first.
    let services = [
        ("anthropic", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", ANTHROPIC_URL),
        ("openai", "OPENAI_API_KEY", "OPENAI_BASE_URL", OPENAI_URL),
    ];
    for (name, key_name, url_name, usual_url) in services {
        let (key, url) = (environment.get(key_name), environment.get(url_name));
        if key.is_none() && url.is_none() {
            continue;
        }
        let mut entry = Table::new();
        entry.insert("name".to_owned(), name.into());
        for (name, value) in [("base_url", url), ("api_key", key)] {
            if let Some(value) = value {
                entry.insert(name.to_owned(), value.into());
            }
        }
        let source = Source::Variable(if key.is_some() { key_name } else { url_name }.to_owned());
        layers.entry("providers", name, entry, &[("kind", name), ("base_url", usual_url)], &source);
    }
}

/// The variables under which Google's own examples keep what its console gives.
fn google_variables(layers: &mut Layers, environment: &Environment) {
    let mut entry = Table::new();
    let mut source = None;
    for (name, key) in [("GOOGLE_CLIENT_SECRET", "client_secret"), ("GOOGLE_CLIENT_ID", "client_id")] {
        if let Some(value) = environment.get(name) {
            entry.insert(key.to_owned(), value.into());
            source = Some(Source::Variable(name.to_owned()));
        }
    }
    if let Some(source) = source {
        entry.insert("name".to_owned(), "google".into());
        layers.entry("oauth", "google", entry, &[("issuer", GOOGLE_ISSUER)], &source);
    }
}

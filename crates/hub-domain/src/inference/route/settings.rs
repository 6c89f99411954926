//! `[routing]` in `hub.toml`.

use std::time::Duration;

use serde::Deserialize;

use super::super::breaker;
use super::ModelFlags;

/// How often and how long a call is tried, and under which other names models go.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Tries of one call at one provider, the first one included; 1 to 10.
    pub tries: u32,
    /// Milliseconds: the longest pause after the first try; it doubles with every further one. 0 to 60000.
    pub first_pause_ms: u64,
    /// Milliseconds: no pause is longer, whatever its number; 0 to 120000.
    pub longest_pause_ms: u64,
    /// Seconds after which no further try of a call begins; 1 to 600.
    pub deadline_seconds: u64,
    /// Milliseconds for which a provider that limits our rate gets no calls, unless it says how long; 0 to 120000.
    pub rate_limit_pause_ms: u64,
    /// When a provider that fails is left alone.
    pub breaker: breaker::Settings,
    /// Other names for models, and who stands in for whom.
    pub aliases: Vec<Alias>,
    /// Who answers for a model of another service when nobody serves it now, in this order (the spec's: OpenAI, then Claude). Not for calls
    /// that choose a service, nor for names that have an alias.
    pub stand_ins: Vec<StandIn>,
    /// What models do not take, beside what the hub knows itself.
    pub models: Vec<ModelFlags>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tries: 3,
            first_pause_ms: 1_000,
            longest_pause_ms: 30_000,
            deadline_seconds: 120,
            rate_limit_pause_ms: 5_000,
            breaker: breaker::Settings::default(),
            aliases: Vec::new(),
            stand_ins: Vec::new(),
            models: Vec::new(),
        }
    }
}

impl Settings {
    pub(in super::super) const fn deadline(&self) -> Duration {
        Duration::from_secs(self.deadline_seconds)
    }

    pub(in super::super) const fn rate_limit_pause(&self) -> Duration {
        Duration::from_millis(self.rate_limit_pause_ms)
    }

    /// The alias of this name.
    pub(in super::super) fn alias(&self, name: &str) -> Option<&Alias> {
        self.aliases.iter().find(|alias| alias.name == name)
    }
}

/// A name that callers may ask for. It may be a model's own name: then it says who stands in for that model.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alias {
    /// The name; 1 to 200 characters.
    pub name: String,
    /// Who may answer.
    pub targets: Vec<Target>,
}

/// A model at a service that may answer for an alias.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Service word of its providers.
    pub service: String,
    /// The model there; it needs a price.
    pub model: String,
    /// Smaller ones are tried first.
    #[serde(default)]
    pub priority: u32,
    /// Among targets of the same priority: its share of the calls; 0 means only after the others.
    #[serde(default = "one")]
    pub weight: u32,
}

/// A service's model that answers for those of other services.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandIn {
    /// Service word of its providers.
    pub service: String,
    /// The model there; it needs a price.
    pub model: String,
}

const fn one() -> u32 {
    1
}

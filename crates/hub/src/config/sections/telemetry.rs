//! Where spans are sent.

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

/// `[telemetry]` in `hub.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// The address of a collector that takes OTLP over HTTP; `/v1/traces` is added. Without it no spans are made.
    pub otlp_endpoint: Option<Url>,
    /// Headers for it, as `name: value`.
    pub otlp_headers: Vec<SecretString>,
    /// What this hub is called there.
    pub service_name: String,
    /// Which part of the traces that begin here is sent; 0 to 1.
    pub sample_ratio: f64,
    /// Whose traces are gone on with.
    pub adopt: Adopt,
    /// The most one delivery may take, in seconds; 1 to 60.
    pub timeout_seconds: u64,
    /// Spans that wait to be sent, 16 to 65536; beyond that they are thrown away.
    pub queue_length: usize,
}

/// See `Telemetry::adopt`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Adopt {
    /// Those of trusted proxies, and of other processes of this hub behind them.
    Proxies,
    /// Everybody's: any caller can then choose the ids of traces, and that they are sent.
    Everybody,
    /// Nobody's.
    Nobody,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            otlp_endpoint: None,
            otlp_headers: Vec::new(),
            service_name: "smart-ai-hub".to_owned(),
            sample_ratio: 1.0,
            adopt: Adopt::Proxies,
            timeout_seconds: 10,
            queue_length: 2048,
        }
    }
}

//! What leaves the hub sideways: mail and logs.

use std::path::PathBuf;

use hub_types::Email;
use serde::Deserialize;

/// `[mail]` in `hub.toml`. Mail is written as one `.eml` file per message.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mail {
    /// Whom mail is from. Without it `hub@localhost`.
    pub from: Option<Email>,
    /// Where the files go. Without it `DATA_DIR/outbox`.
    pub outbox: Option<PathBuf>,
}

/// `[log]` in `hub.toml`. Logs go to standard error.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`; also per room: `info,hub_store=debug`.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
}

/// See `Log::format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Pretty on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object per line.
    Json,
    /// For people.
    Pretty,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Auto }
    }
}

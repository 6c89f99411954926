//! Logs to standard error and the recorder of metrics: the two things that exist once per process.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use anyhow::{Context, Result};
use hub_domain::inference::TRACE_TARGET;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, registry};

use crate::config::sections::{Log, LogFormat};
use crate::json_lines::{JsonLines, Members};
use crate::telemetry::Telemetry;

/// Upper bounds of the time histograms, in seconds: from a cache hit to a long answer of a model.
const SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];
/// How often recorded times are folded into the histograms, so that their memory stays small without a scraper.
const UPKEEP: Duration = Duration::from_secs(5);

/// Starts logging, and the making of spans where they are sent. `json` overrides the format of the settings. Call once.
pub(crate) fn start(settings: &Log, json: bool, telemetry: Option<&Telemetry>) -> Result<()> {
    let json = match settings.format {
        _ if json => true,
        LogFormat::Json => true,
        LogFormat::Pretty => false,
        LogFormat::Auto => !stderr().is_terminal(),
    };
    // PostgreSQL's notices ("already exists, skipping") say nothing to an operator; naming the target in `log.level` shows them.
    let quiet = Targets::new().with_target("sqlx::postgres::notice", LevelFilter::WARN);
    let asked: Targets = settings.level.parse().context("log.level")?;
    let filter = quiet.with_targets(asked.iter()).with_default(asked.default_level().unwrap_or(LevelFilter::OFF));
    // What is for tracers only is no line, whatever the level.
    let filter = filter.with_target(TRACE_TARGET, LevelFilter::OFF);
    let line = if json {
        fmt::layer().fmt_fields(Members).event_format(JsonLines).with_writer(stderr).boxed()
    } else {
        fmt::layer().with_target(false).with_ansi(stderr().is_terminal()).with_writer(stderr).boxed()
    };
    let lines = registry().with(line.with_filter(filter));
    // Not one layer that may be empty: where nobody traces, nothing is asked for each call site.
    let started = match telemetry {
        Some(telemetry) => lines.with(telemetry.layer()).try_init(),
        None => lines.try_init(),
    };
    started.context("logging was started twice")
}

/// Installs the recorder of metrics. Call once.
pub(crate) fn metrics() -> Result<PrometheusHandle> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)
        .and_then(PrometheusBuilder::install_recorder)
        .context("the recorder of metrics cannot be installed")
}

/// Keeps the recorder small, until it is dropped.
pub(crate) async fn upkeep(metrics: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        metrics.run_upkeep();
    }
}

//! Spans that leave the process: made from the hub's own, sent as OTLP over HTTP, tied to the traces of others.
//!
//! Off unless `[telemetry] otlp_endpoint` is set, and then nothing of this exists. No request waits for a span to be sent: they are queued,
//! the queue is bounded, and what does not fit is thrown away. Nothing that people or models say is in a span, and no user, key or address.

mod conventions;
mod export;
mod join;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use hub_domain::inference::TRACE_TARGET;
use hub_web::TraceJoin;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider};
use tokio::runtime::Handle;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use crate::config::sections::{self, Adopt};

pub(crate) use export::header;

/// How long spans wait for company.
const EVERY: Duration = Duration::from_secs(5);
/// The most that are sent at once.
const BATCH: usize = 512;
/// How long the last ones may take when the process ends.
const LAST: Duration = Duration::from_secs(3);

/// The running export.
pub struct Telemetry {
    provider: SdkTracerProvider,
    adopt: Adopt,
}

impl Telemetry {
    /// Starts the export, on this runtime; `None` where the settings name nobody to send to.
    pub fn start(settings: &sections::Telemetry) -> Result<Option<Self>> {
        let Some(exporter) = export::exporter(settings, Handle::current()).context("telemetry.otlp_endpoint")? else {
            return Ok(None);
        };
        let queue = BatchConfigBuilder::default()
            .with_max_queue_size(settings.queue_length)
            .with_max_export_batch_size(settings.queue_length.min(BATCH))
            .with_scheduled_delay(EVERY)
            .build();
        let resource = Resource::builder()
            .with_service_name(settings.service_name.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(queue).build())
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.sample_ratio))))
            .with_resource(resource)
            .build();
        Ok(Some(Self { provider, adopt: settings.adopt }))
    }

    /// What makes spans of the hub's own.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("smart-ai-hub"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_filter(filter_fn(leaves))
    }

    /// What ties requests to the traces of others.
    pub fn join(&self) -> Arc<dyn TraceJoin> {
        Arc::new(join::Join { adopt: self.adopt })
    }

    /// Sends what is left and ends, within a few seconds whoever answers.
    pub async fn stop(self) {
        let last = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(LAST));
        if !matches!(last.await, Ok(Ok(()))) {
            tracing::warn!("the last spans could not be sent");
        }
    }
}

/// The spans and events that leave: a closed list, so that no library and no log line comes along.
fn leaves(metadata: &Metadata<'_>) -> bool {
    match (metadata.target(), metadata.is_span()) {
        (TRACE_TARGET, _) => true,
        (target, true) => match metadata.name() {
            "request" => target == "hub_web::trace",
            "llm" => target == "hub_domain::inference::measure",
            _ => false,
        },
        // The line of a request: its status is known nowhere else.
        (target, false) => target == "hub_web::trace",
    }
}

//! The way out: OTLP over HTTP with the hub's own client. Counts what was sent, and says once when it fails and once when it works again.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::runtime::Handle;

use super::conventions;
use crate::config::sections::Telemetry;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(3);
/// Where OTLP takes traces.
const PATH: &str = "v1/traces";
/// The most that is read of an answer, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

/// The exporter of these settings; `None` where they name nobody to send to.
pub(super) fn exporter(settings: &Telemetry, runtime: Handle) -> Result<Option<Exporter>> {
    let Some(endpoint) = &settings.otlp_endpoint else { return Ok(None) };
    let endpoint = endpoint.as_str().trim_end_matches('/');
    let endpoint = if endpoint.ends_with(PATH) { endpoint.to_owned() } else { format!("{endpoint}/{PATH}") };
    let timeout = Duration::from_secs(settings.timeout_seconds);
    let client = reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .timeout(timeout)
        // Its headers are for this address and no other.
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()?;
    let headers = settings.otlp_headers.iter().filter_map(header);
    let headers: HashMap<String, String> = headers.map(|(name, value)| (name.to_string(), value)).collect();
    let inner = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(Client { client, runtime })
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint)
        .with_timeout(timeout)
        .with_headers(headers)
        .build()?;
    Ok(Some(Exporter { inner, failing: AtomicBool::new(false) }))
}

/// Reads `name: value`.
pub(crate) fn header(text: &SecretString) -> Option<(HeaderName, String)> {
    let (name, value) = text.expose_secret().split_once(':')?;
    let value = value.trim();
    HeaderValue::from_str(value).ok()?;
    Some((name.trim().parse().ok()?, value.to_owned()))
}

/// The hub's HTTP client for a thread that has no runtime of its own.
struct Client {
    client: reqwest::Client,
    runtime: Handle,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

type Answer = Result<Response<Bytes>, HttpError>;

impl HttpClient for Client {
    fn send_bytes<'a, 'b>(&'a self, request: Request<Bytes>) -> Pin<Box<dyn Future<Output = Answer> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let request = reqwest::Request::try_from(request)?;
            let client = self.client.clone();
            // Bounded by the client's timeout.
            self.runtime.spawn(send(client, request)).await?
        })
    }
}

async fn send(client: reqwest::Client, request: reqwest::Request) -> Answer {
    let mut answer = client.execute(request).await?;
    let mut response = Response::builder().status(answer.status());
    if let Some(headers) = response.headers_mut() {
        headers.extend(answer.headers().clone());
    }
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        if body.len() + piece.len() > LONGEST_ANSWER {
            return Err("the answer is too long".into());
        }
        body.extend_from_slice(&piece);
    }
    Ok(response.body(body.into())?)
}

/// Sends spans under the names of the conventions.
#[derive(Debug)]
pub(super) struct Exporter {
    inner: opentelemetry_otlp::SpanExporter,
    failing: AtomicBool,
}

impl SpanExporter for Exporter {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        batch.iter_mut().for_each(conventions::apply);
        let result = self.inner.export(batch).await;
        let outcome = if result.is_ok() { "sent" } else { "failed" };
        metrics::counter!("telemetry_spans_total", "outcome" => outcome).increment(spans);
        match (&result, self.failing.swap(result.is_err(), Ordering::Relaxed)) {
            (Err(error), false) => tracing::warn!(%error, "spans cannot be sent"),
            (Ok(()), true) => tracing::info!("spans can be sent again"),
            _ => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_a_name_and_a_value() {
        let read = |text: &str| header(&SecretString::from(text)).map(|(name, value)| format!("{name}={value}"));
        assert_eq!(read("Authorization: Bearer a:b").as_deref(), Some("authorization=Bearer a:b"));
        for wrong in ["authorization", "two words: x", "x: a\nb"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}

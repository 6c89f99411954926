//! From the hub's words to those of OpenTelemetry's semantic conventions, on the exporter's thread.
//!
//! The hub's spans are named and filled for its logs. Here each gets the name, the kind, the status and the attributes by which other
//! programs know it; what has no place there is left out.

use std::borrow::Cow;

use hub_domain::inference::TRACE_FACTS;
use opentelemetry::trace::{SpanKind, Status};
use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::SpanData;

/// What every event of `tracing` says about itself.
const OF_EVENTS: [&str; 2] = ["level", "target"];
/// The message of the line that a request ends with.
const ANSWERED: &str = "answered";

/// Renames one span.
pub(super) fn apply(span: &mut SpanData) {
    match span.name.as_ref() {
        "request" => request(span),
        "llm" => call(span),
        _ => {}
    }
}

/// <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>, of a server.
fn request(span: &mut SpanData) {
    let mut status = None;
    for event in std::mem::take(&mut span.events.events) {
        if event.name == ANSWERED {
            // The span itself ends when nobody works on the request any more; its last byte may leave later.
            span.end_time = event.timestamp;
            // A number without a sign comes as text.
            let field = event.attributes.iter().find(|field| field.key.as_str() == "status");
            status = field.and_then(|field| field.value.as_str().parse::<i64>().ok());
        }
    }
    let mut attributes = Vec::new();
    let (mut method, mut route) = (String::new(), None);
    for KeyValue { key, value, .. } in std::mem::take(&mut span.attributes) {
        let name = match key.as_str() {
            "method" => {
                method = value.to_string();
                let method = if method == "OTHER" { "_OTHER" } else { &method };
                attributes.push(KeyValue::new("http.request.method", method.to_owned()));
                continue;
            }
            "route" => {
                route = Some(value.to_string());
                "http.route"
            }
            "path" => "url.path",
            "requestId" => "hub.request_id",
            _ => continue,
        };
        attributes.push(KeyValue::new(name, value));
    }
    if let Some(status) = status {
        attributes.push(KeyValue::new("http.response.status_code", status));
        if status >= 500 {
            attributes.push(KeyValue::new("error.type", status.to_string()));
            span.status = Status::error("");
        }
    }
    let method = if method == "OTHER" { "HTTP".to_owned() } else { method };
    span.name = Cow::Owned(route.map_or(method.clone(), |route| format!("{method} {route}")));
    span.span_kind = SpanKind::Server;
    span.attributes = attributes;
}

/// The conventions for generative AI, of a client.
fn call(span: &mut SpanData) {
    for event in std::mem::take(&mut span.events.events) {
        if event.name != TRACE_FACTS {
            continue;
        }
        for fact in event.attributes.into_iter().filter(|fact| !OF_EVENTS.contains(&fact.key.as_str())) {
            span.attributes.retain(|known| known.key != fact.key);
            span.attributes.push(fact);
        }
    }
    for attribute in &mut span.attributes {
        if attribute.key.as_str() == "gen_ai.response.finish_reasons" {
            let reason: StringValue = attribute.value.to_string().into();
            attribute.value = Value::Array(Array::String(vec![reason]));
        }
    }
    let text = |name: &str| {
        let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == name);
        found.map(|attribute| attribute.value.to_string())
    };
    if text("error.type").is_some() {
        span.status = Status::error("");
    }
    let words = [text("gen_ai.operation.name"), text("gen_ai.request.model")];
    span.name = Cow::Owned(words.into_iter().flatten().collect::<Vec<_>>().join(" "));
    span.span_kind = SpanKind::Client;
}

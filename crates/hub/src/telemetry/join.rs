//! W3C Trace Context between programs: whose traces are gone on with, and what services behind us are told.
//!
//! A stranger's trace is never gone on with by default: it would choose ids and what is sent. It is named in a link instead.

use std::sync::Arc;

use http::HeaderMap;
use hub_web::{TraceJoin, TraceSource};
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::config::sections::Adopt;

/// See [`TraceJoin`].
pub(super) struct Join {
    pub(super) adopt: Adopt,
}

impl Join {
    fn believes(&self, source: TraceSource) -> bool {
        match self.adopt {
            Adopt::Proxies => source == TraceSource::Proxy,
            Adopt::Everybody => source != TraceSource::Here,
            Adopt::Nobody => false,
        }
    }
}

impl TraceJoin for Join {
    fn join(&self, span: &Span, headers: &mut HeaderMap, source: TraceSource) -> Option<Arc<str>> {
        let propagator = TraceContextPropagator::new();
        let remote = propagator.extract(&HeaderExtractor(headers));
        if self.believes(source) {
            // It fails where the span is not made at all, and then there is nothing to tie.
            span.set_parent(remote).ok()?;
        } else {
            headers.remove("tracestate");
            if source != TraceSource::Here {
                span.add_link(remote.span().span_context().clone());
            }
        }
        let context = span.context();
        let own = context.span().span_context().clone();
        if !own.is_valid() {
            return None;
        }
        propagator.inject_context(&context, &mut HeaderInjector(headers));
        Some(own.trace_id().to_string().into())
    }
}

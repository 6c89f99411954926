//! The order of the layers, in one place.
//!
//! From outside: last resort for panics → client address → request id → trace → security headers → CORS → envelope →
//! panics → refusal of malformed requests → body timeout → body limit → handler timeout → flood limit → door → table.
//! Security headers and CORS stand outside the envelope, so that errors carry them too and a browser can read a 413; the
//! limits stand inside it, so that their refusals are rendered.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hub_types::Clock;
use hub_web::{BodyLimits, BodyTimeout, TraceJoin, TrustedProxies};
use url::Url;
use utoipa::openapi::OpenApi;

use crate::cors::with_cors;
use crate::door::with_door;
use crate::flood::with_flood_limit;
use crate::security_headers::with_security_headers;
use crate::{DoorCheck, Operations, Route, Upstream, operations, pages, route};

/// Everything a front door is made of.
pub struct GatewayParts {
    /// The hub's clock.
    pub clock: Clock,
    /// How the world reaches this hub; https switches HSTS on.
    pub public_url: Url,
    /// Whose `X-Forwarded-*` and `X-Request-Id` are believed.
    pub trusted_proxies: TrustedProxies,
    /// Web sites that may call from a browser, as origins. Default none.
    pub cors_origins: Vec<String>,
    /// Requests per minute and address; 0 is off. Default 30 000.
    pub requests_per_minute: u32,
    /// Sizes of request bodies.
    pub body_limits: BodyLimits,
    /// Speed of request bodies.
    pub body_timeout: BodyTimeout,
    /// Time to the first byte of an answer. Default 60 s.
    pub handler_timeout: Duration,
    /// Prefixes that wait for a provider and keep time themselves. Default `/v1`, `/api/mcp`, `/api/ws`, `/mcp`.
    pub unhurried: &'static [&'static str],
    /// Refuses forged and expired tokens early. Default none.
    pub door_check: Option<DoorCheck>,
    /// Who answers what. A route with prefix `/` replaces the start page.
    pub routes: Vec<Route>,
    /// Served at `/api/openapi.json` and read by `/docs`.
    pub document: OpenApi,
    /// Health and metrics.
    pub operations: Operations,
    /// Ties requests to traces that span programs. Default none.
    pub trace_join: Option<Arc<dyn TraceJoin>>,
}

impl GatewayParts {
    /// Parts with every default and an empty table.
    pub fn new(public_url: Url, document: OpenApi, operations: Operations) -> Self {
        Self {
            clock: operations.clock.clone(),
            public_url,
            trusted_proxies: TrustedProxies::default(),
            cors_origins: Vec::new(),
            requests_per_minute: 30_000,
            body_limits: BodyLimits::default(),
            body_timeout: BodyTimeout::default(),
            handler_timeout: Duration::from_mins(1),
            unhurried: &["/v1", "/api/mcp", "/api/ws", "/mcp"],
            door_check: None,
            routes: Vec::new(),
            document,
            operations,
            trace_join: None,
        }
    }
}

/// Composes the front door.
pub fn front_door(parts: GatewayParts) -> Router {
    let https = parts.public_url.scheme() == "https";
    let mut routes = parts.routes;
    let local = |prefix, own: &Router| Route { prefix, upstream: Upstream::Local(own.clone()) };
    if !routes.iter().any(|route| route.prefix == "/") {
        routes.push(local("/", &pages::start(&parts.public_url)));
    }
    let operations = operations::routes(parts.operations);
    routes.extend(["/health", "/metrics"].map(|prefix| local(prefix, &operations)));
    let docs = pages::docs(&parts.document);
    routes.extend(["/docs", "/api/openapi.json"].map(|prefix| local(prefix, &docs)));

    let app = route::table(routes);
    let app = with_door(app, parts.door_check);
    let app = with_flood_limit(app, &parts.clock, parts.requests_per_minute);
    let app = hub_web::with_handler_timeout(app, parts.handler_timeout, parts.unhurried);
    let app = hub_web::with_body_limit(app, parts.body_limits);
    let app = hub_web::with_body_timeout(app, parts.body_timeout);
    let app = hub_web::with_hygiene(app);
    let app = hub_web::with_panics_caught(app);
    let app = hub_web::with_envelope(app, &parts.clock);
    let app = with_cors(app, &parts.cors_origins);
    let app = with_security_headers(app, https);
    let app = hub_web::with_trace(app, parts.trace_join);
    let app = hub_web::with_request_id(app, &parts.clock, &parts.trusted_proxies);
    let app = hub_web::with_client_address(app, &parts.trusted_proxies);
    hub_web::with_last_resort(app)
}

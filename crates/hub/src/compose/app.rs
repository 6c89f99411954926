//! From a hub to the router that a listener serves: the front door, with the edges of this process behind it and forwarders to those of
//! others. A role without the gateway stands behind the same layers, so a service reached directly is as safe.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::Router;
use hub_domain::{Hub, access};
use hub_gateway::{DoorCheck, ForwardOptions, Forwarder, GatewayParts, Operations, Route, Upstream, front_door};
use hub_types::Timestamp;
use hub_web::{Gatekeeper, OpenRoutes, ServeOptions, TraceJoin, guarded, openapi};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::task::TaskTracker;
use url::{Host, Url};
use utoipa::openapi::OpenApi;

use crate::config::Settings;
use crate::gatekeeper::HubGatekeeper;
use crate::health;
use crate::roles::{Role, Roles};

/// One edge: its role, its paths, and how to make it.
struct Edge {
    role: Role,
    prefixes: &'static [&'static str],
    open: OpenRoutes,
    router: fn(Arc<Hub>) -> (Router, OpenApi),
}

const EDGES: &[Edge] = &[
    Edge {
        role: Role::Auth,
        prefixes: &["/api/auth", "/.well-known"],
        open: OpenRoutes { public: hub_auth::PUBLIC, optional: &[], signed: &[] },
        router: hub_auth::router,
    },
    Edge {
        role: Role::Core,
        prefixes: &[
            "/api/users",
            "/api/roles",
            "/api/permissions",
            "/api/keys",
            "/api/credits",
            "/api/promo-codes",
            "/api/usage",
            "/api/admin",
            "/api/webhooks",
        ],
        open: OpenRoutes { public: hub_core::PUBLIC, optional: &[], signed: hub_core::SIGNED },
        router: hub_core::router,
    },
    Edge {
        role: Role::Mcp,
        prefixes: &["/api/ws", "/api/mcp", "/v1", "/mcp"],
        open: OpenRoutes { public: hub_mcp::PUBLIC, optional: hub_mcp::OPTIONAL, signed: &[] },
        router: hub_mcp::router,
    },
];

/// What a router is made of besides the hub.
pub struct AppOptions<'a> {
    /// The settings of the process.
    pub settings: &'a Settings,
    /// The roles of the process.
    pub roles: Roles,
    /// When the process started.
    pub started: Timestamp,
    /// Renders the metrics; `None` where no recorder is installed.
    pub metrics: Option<PrometheusHandle>,
    /// Ties requests to traces that span programs; `None` where nobody traces.
    pub trace_join: Option<Arc<dyn TraceJoin>>,
    /// Connections and tunnels are tracked here.
    pub connections: TaskTracker,
}

impl AppOptions<'_> {
    /// What health and metrics are made of.
    pub fn operations(&self, hub: &Arc<Hub>) -> Operations {
        Operations {
            service: "hub",
            version: env!("CARGO_PKG_VERSION"),
            clock: hub.clock.clone(),
            started: self.started,
            health: health::check(Arc::clone(hub)),
            metrics: self.metrics.clone(),
            public: only_this_machine(self.settings),
            token: self.settings.ops.token.clone().map(Arc::new),
        }
    }

    /// Limits of the public listener.
    pub fn serving(&self) -> ServeOptions {
        let server = &self.settings.server;
        ServeOptions {
            header_timeout: Duration::from_secs(server.header_timeout_seconds),
            idle_timeout: Duration::from_secs(server.idle_timeout_seconds),
            write_timeout: Duration::from_secs(server.write_timeout_seconds),
            max_connections: server.max_connections,
            drain: Duration::from_secs(server.drain_seconds),
            ..ServeOptions::default()
        }
    }
}

/// The router of a process with these roles.
pub fn app(hub: &Arc<Hub>, options: &AppOptions<'_>) -> Result<Router> {
    let settings = options.settings;
    let gatekeeper: Arc<dyn Gatekeeper> = Arc::new(HubGatekeeper(Arc::clone(hub)));
    let mut routes = Vec::new();
    for edge in EDGES {
        let upstream = if options.roles.has(edge.role) {
            let (service, _) = (edge.router)(Arc::clone(hub));
            Upstream::Local(guarded(service, Arc::clone(&gatekeeper), edge.open))
        } else if options.roles.has(Role::Gateway) {
            Upstream::Remote(forwarder(hub, edge.role, options)?)
        } else {
            continue;
        };
        routes.extend(edge.prefixes.iter().map(|prefix| Route { prefix, upstream: upstream.clone() }));
    }
    let public_url: Url = settings.identity.public_url.parse().context("identity.public_url")?;
    let door = Arc::clone(hub);
    Ok(front_door(GatewayParts {
        trusted_proxies: settings.server.trusted_proxies.clone().into(),
        cors_origins: settings.server.cors_origins.clone(),
        requests_per_minute: settings.server.per_address_per_minute,
        door_check: Some(DoorCheck(Arc::new(move |token| access::token_is_plausible(&door, token)))),
        routes,
        trace_join: options.trace_join.clone(),
        ..GatewayParts::new(public_url, document(hub), options.operations(hub))
    }))
}

/// The OpenAPI document of the whole hub, whatever roles this process plays.
pub fn document(hub: &Arc<Hub>) -> OpenApi {
    openapi::document(parts(hub))
}

/// The parts it is made of, one per edge.
pub fn parts(hub: &Arc<Hub>) -> Vec<OpenApi> {
    EDGES.iter().map(|edge| (edge.router)(Arc::clone(hub)).1).collect()
}

fn forwarder(hub: &Arc<Hub>, role: Role, options: &AppOptions<'_>) -> Result<Forwarder> {
    let upstreams = &options.settings.upstreams;
    let targets = match role {
        Role::Auth => &upstreams.auth,
        Role::Core => &upstreams.core,
        Role::Mcp => &upstreams.mcp,
        Role::Gateway | Role::Worker => bail!("the role {} is not reached over HTTP", role.name()),
    };
    let name = role.name();
    if targets.is_empty() {
        bail!(
            "this process has the role gateway but not {name}: set upstreams.{name} (HUB__UPSTREAMS__{}) to the addresses of the \
             processes that have it, such as http://10.0.0.7:{}",
            name.to_uppercase(),
            match role {
                Role::Auth => 3001,
                Role::Core => 3002,
                _ => 3003,
            }
        );
    }
    let (tracker, stop) = (options.connections.clone(), hub.tasks.stop().clone());
    Forwarder::new(targets, ForwardOptions::default(), tracker, stop).with_context(|| format!("upstreams.{name}"))
}

/// True when nobody but this machine can reach the listener: it is on loopback and nothing says that a proxy stands before it.
fn only_this_machine(settings: &Settings) -> bool {
    let public: Option<Url> = settings.identity.public_url.parse().ok();
    let here = public.is_some_and(|url| match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    });
    here && settings.server.listen.ip().is_loopback() && settings.server.trusted_proxies.is_empty()
}

//! Forwards requests to a service behind other sockets.
//!
//! Bodies stream both ways and are never held whole; WebSockets are tunnelled as bytes. Several targets are taken in turn
//! and one that refuses connections is left alone for a while. What arrives at the service about the client (address,
//! scheme, host) is written here and not believed from the client. A request that may have reached a target is never
//! sent to another one.

mod headers;
mod lent;
mod targets;
mod tunnel;

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri, Version, uri};
use hub_types::ErrorCode;
use hub_web::{ApiError, BodyError, IdleLimited, body_error_in};
use hyper::upgrade::OnUpgrade;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use lent::Lent;
use targets::{Target, Targets};
use tunnel::Tunnel;

/// Limits of one forwarder.
#[derive(Debug, Clone, Copy)]
pub struct ForwardOptions {
    /// Time to open a connection. Default 2 s.
    pub connect: Duration,
    /// Time from sending a request to the first byte of its answer, the upload included. Default 15 min: the service has
    /// shorter limits of its own and should be the one to say 504.
    pub first_byte: Duration,
    /// Longest silence within an answer's body. Default 2 min; event streams carry a comment every 15 s.
    pub idle: Duration,
    /// How long a target that refused a connection is left alone. Default 2 s.
    pub dead_for: Duration,
}

impl Default for ForwardOptions {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            first_byte: Duration::from_mins(15),
            idle: Duration::from_mins(2),
            dead_for: Duration::from_secs(2),
        }
    }
}

/// Why a forwarder cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForwarderError {
    /// There must be a target.
    #[error("an upstream needs at least one address")]
    NoTarget,
    /// Services are reached over plain HTTP inside the operator's network, without a path.
    #[error("{0} is not of the form http://host:port")]
    BadTarget(String),
}

/// A balanced way to one service. Clones share everything.
#[derive(Clone)]
pub struct Forwarder(Arc<Inner>);

struct Inner {
    client: Client<HttpConnector, Body>,
    targets: Targets,
    options: ForwardOptions,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Forwarder {
    /// A forwarder to `targets` (`http://host:port` each). Tunnels run in `tasks` and end with `stop`.
    pub fn new(
        targets: &[Url],
        options: ForwardOptions,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Result<Self, ForwarderError> {
        let targets = Targets::new(targets, options.dead_for)?;
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(options.connect));
        connector.set_nodelay(true);
        connector.set_keepalive(Some(Duration::from_mins(1)));
        // The client's tasks live as long as its pool. Were they tracked, a drain would wait for idle connections.
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            // Shorter than the service's own idle limit, so that a request never meets a connection being closed.
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(256)
            .build(connector);
        Ok(Self(Arc::new(Inner { client, targets, options, tasks, stop })))
    }

    /// Forwards one request. Errors are left for the envelope: 502 when no target can be reached or the answer is
    /// broken, 504 when it does not begin, 413 and 408 when the client's body broke a limit on its way through.
    pub async fn forward(&self, mut request: Request) -> Response {
        let upgrade = headers::upgrade_of(request.headers());
        let client_side = upgrade.as_ref().and_then(|_| request.extensions_mut().remove::<OnUpgrade>());
        headers::outbound(&mut request, upgrade.as_ref().filter(|_| client_side.is_some()));
        let (parts, body) = request.into_parts();
        let lent = (!body.is_end_stream()).then(|| Lent::new(body));
        let mut last = None;
        for target in self.0.targets.in_turn() {
            let Ok(uri) = address(target, &parts.uri) else { continue };
            let mut outgoing = http::Request::new(lent.as_ref().map_or_else(Body::empty, Lent::lend));
            *outgoing.method_mut() = parts.method.clone();
            *outgoing.uri_mut() = uri;
            *outgoing.version_mut() = Version::HTTP_11;
            outgoing.headers_mut().clone_from(&parts.headers);
            match tokio::time::timeout(self.0.options.first_byte, self.0.client.request(outgoing)).await {
                Ok(Ok(response)) => return self.answer(response, client_side),
                Ok(Err(error)) if error.is_connect() => {
                    self.0.targets.bury(target);
                    tracing::warn!(target_address = %target.authority, "upstream cannot be reached");
                    last = Some(error);
                    // The body went out only if a connection took it; then it cannot be sent again.
                    if lent.as_ref().is_some_and(|lent| !lent.is_home()) {
                        break;
                    }
                }
                Ok(Err(error)) => return failed(error).into_response(),
                Err(_) => return ApiError::new(ErrorCode::GatewayTimeout).into_response(),
            }
        }
        let error = ApiError::new(ErrorCode::BadGateway);
        last.map_or(ApiError::new(ErrorCode::BadGateway), |cause| error.source(cause)).into_response()
    }

    fn answer(&self, mut response: http::Response<hyper::body::Incoming>, client_side: Option<OnUpgrade>) -> Response {
        let switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        headers::inbound(response.headers_mut(), switching);
        if switching {
            let Some(client) = client_side else {
                return ApiError::new(ErrorCode::BadGateway).into_response();
            };
            let tunnel = Tunnel { client, service: hyper::upgrade::on(&mut response), stop: self.0.stop.clone() };
            self.0.tasks.spawn(tunnel.run());
            return response.map(|_| Body::empty());
        }
        let idle = self.0.options.idle;
        response.map(|body| {
            if body.is_end_stream() { Body::empty() } else { Body::new(IdleLimited::new(body, idle, BodyError::Idle)) }
        })
    }
}

fn address(target: &Target, original: &Uri) -> Result<Uri, http::Error> {
    let path = original.path_and_query().cloned().unwrap_or_else(|| uri::PathAndQuery::from_static("/"));
    Uri::builder().scheme("http").authority(target.authority.clone()).path_and_query(path).build()
}

/// The client's own body may be what broke the exchange.
fn failed(error: ClientError) -> ApiError {
    match body_error_in(&error) {
        Some(cause) => cause.to_api_error(),
        None => ApiError::new(ErrorCode::BadGateway).source(error),
    }
}

//! Closed by default: every route asks the gatekeeper who is knocking before its handler runs.
//!
//! The gatekeeper (in a room that knows accounts) verifies the credential and counts the request. This module only
//! carries the question in and the answer out; it must never let a request pass on its own judgement.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use http::header::USER_AGENT;
use http::{HeaderValue, Method};
use hub_types::{Acting, Caller, Credential, Email, ErrorCode, Origin, UserId};

use crate::extract::origin_of;
use crate::{ApiError, ClientAddr, LimitState, Presented, RequestId};

/// One request before it is let in.
#[derive(Debug, Clone)]
pub struct Knock {
    /// The credential, unverified.
    pub presented: Presented,
    /// Where it comes from, for limits and address allow-lists.
    pub address: IpAddr,
    /// What the route asks for.
    pub route: RouteKind,
}

/// What a route asks of whoever knocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteKind {
    /// A valid credential.
    Closed,
    /// No credential, but one that is shown must be valid: whoever shows one means to be somebody.
    Optional,
    /// Nothing: a worthless credential is ignored, because who signs in again often still sends the old one.
    Public,
    /// Nothing, and no limit by address: the request proves itself by a signature, and one sender sends for many.
    Signed,
}

/// The routes that are not closed, as `(METHOD, matched path)`; `GET` covers `HEAD`.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenRoutes {
    /// See [`RouteKind::Public`].
    pub public: &'static [(&'static str, &'static str)],
    /// See [`RouteKind::Optional`].
    pub optional: &'static [(&'static str, &'static str)],
    /// See [`RouteKind::Signed`]; wins over `public`.
    pub signed: &'static [(&'static str, &'static str)],
}

impl OpenRoutes {
    fn kind(self, method: &Method, path: &str) -> RouteKind {
        let method = if *method == Method::HEAD { Method::GET.as_str() } else { method.as_str() };
        let holds = |list: &[(&str, &str)]| list.iter().any(|(open, route)| *open == method && *route == path);
        if holds(self.signed) {
            RouteKind::Signed
        } else if holds(self.public) {
            RouteKind::Public
        } else if holds(self.optional) {
            RouteKind::Optional
        } else {
            RouteKind::Closed
        }
    }
}

/// A known caller was told 403: what there is to write down about it.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Whose credential.
    pub user: UserId,
    /// The account's address.
    pub email: Email,
    /// Which credential.
    pub credential: Credential,
    /// Who truly acts, where that is not the account itself.
    pub acting: Option<Acting>,
    /// Where the request came from.
    pub origin: Origin,
    /// Its method.
    pub method: Method,
    /// The path as the route is written, without what stood in its variables.
    pub route: String,
    /// The refusal, with its cause.
    pub error: Arc<ApiError>,
}

/// A request was answered 402, 403 or 429: what there is to remember about it.
#[derive(Debug, Clone)]
pub struct TurnedAway {
    /// The request.
    pub request_id: RequestId,
    /// Whose credential; unknown where the gatekeeper itself refused.
    pub user: Option<UserId>,
    /// The answer.
    pub error: Arc<ApiError>,
}

/// The gatekeeper's yes.
#[derive(Debug, Clone)]
pub struct Admission {
    /// Who it is; `None` only where the route is not closed.
    pub caller: Option<Caller>,
    /// Where the caller stands in its limit, for the `RateLimit-*` headers.
    pub limit: Option<LimitState>,
}

/// Verifies credentials and applies the limits by role and key. Implemented once, over the hub's rules.
pub trait Gatekeeper: Send + Sync + 'static {
    /// Admits a request or says why not. A missing credential on a closed route is counted and refused here too, with 401.
    fn admit(&self, knock: Knock) -> BoxFuture<'_, Result<Admission, ApiError>>;

    /// Hears of every 403 that a known caller gets, before the answer leaves.
    fn refused(&self, _: Refusal) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Hears of every 402, 403 and 429, before the answer leaves, so that it can be explained later.
    fn turned_away(&self, _: TurnedAway) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// The account behind a request, in the response's extensions, for the access log.
#[derive(Debug, Clone, Copy)]
pub struct CallerId(pub UserId);

#[derive(Clone)]
struct Guard {
    gatekeeper: Arc<dyn Gatekeeper>,
    open: OpenRoutes,
}

/// Puts `gatekeeper` before every route of `router`, except what no route (404) or no method of it (405) matches. Every route that
/// `open` does not list is closed. Call it after the last route.
///
/// On success the [`Caller`] is in the request's extensions and the limit's headers are on the response.
pub fn guarded(router: Router, gatekeeper: Arc<dyn Gatekeeper>, open: OpenRoutes) -> Router {
    // A router without routes has nothing to guard, and axum refuses a route layer on it.
    if !router.has_routes() {
        return router;
    }
    let router = router.route_layer(from_fn_with_state(Guard { gatekeeper, open }, guard));
    // Set after the guard, so that a method which no handler takes is 405 for everybody and not 401.
    router.method_not_allowed_fallback(async || ApiError::new(ErrorCode::MethodNotAllowed))
}

async fn guard(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let path = matched.as_ref().map_or("", MatchedPath::as_str);
    let kind = guard.open.kind(request.method(), path);
    let address = request.extensions().get::<ClientAddr>().copied();
    let knock = Knock {
        presented: Presented::of(request.uri().path(), request.headers()),
        address: address.map_or(IpAddr::from([0, 0, 0, 0]), |ClientAddr(address)| address),
        route: kind,
    };
    let shown = knock.presented != Presented::Nothing;
    let request_id = request.extensions().get::<RequestId>().cloned();
    let mut user = None;
    let mut response = match guard.gatekeeper.admit(knock).await {
        // The gatekeeper's answer is checked once more: no caller, no closed route.
        Ok(Admission { caller: None, .. }) if kind == RouteKind::Closed || (kind == RouteKind::Optional && shown) => {
            ApiError::unauthenticated().into_response()
        }
        Ok(Admission { caller, limit }) => {
            let witness = caller.as_ref().map(|caller| Witness::of(caller, &request));
            user = caller.as_ref().map(|caller| CallerId(caller.user));
            if let Some(caller) = caller {
                request.extensions_mut().insert(caller);
            }
            let mut response = next.run(request).await;
            if let Some(limit) = limit {
                limit.write_if_absent(response.headers_mut());
            }
            if let Some(refusal) = witness.and_then(|witness| witness.of_refusal(&response, path)) {
                guard.gatekeeper.refused(refusal).await;
            }
            response
        }
        Err(mut error) => {
            if error.code == ErrorCode::RateLimitExceeded && error.retry_after.is_none() {
                error.retry_after = error.limit.map(|limit| limit.reset);
            }
            error.into_response()
        }
    };
    if let Some(request_id) = request_id
        && let Some(error) = response.extensions().get::<Arc<ApiError>>().filter(|error| is_denial(error)).cloned()
    {
        let user = user.as_ref().map(|CallerId(user)| *user);
        guard.gatekeeper.turned_away(TurnedAway { request_id, user, error }).await;
    }
    let extensions = response.extensions_mut();
    if let Some(user) = user {
        extensions.insert(user);
    }
    if let Some(matched) = matched {
        extensions.insert(matched);
    }
    response
}

fn is_denial(error: &ApiError) -> bool {
    matches!(error.code.status(), 402 | 403 | 429)
}

/// What is kept of a request while its handler runs, in case it is refused. Cheap to make: most are not.
struct Witness {
    user: UserId,
    email: Email,
    credential: Credential,
    acting: Option<Acting>,
    address: Option<ClientAddr>,
    agent: Option<HeaderValue>,
    id: Option<RequestId>,
    method: Method,
}

impl Witness {
    fn of(caller: &Caller, request: &Request) -> Self {
        Self {
            user: caller.user,
            email: caller.email.clone(),
            credential: caller.credential,
            acting: caller.acting.clone(),
            address: request.extensions().get().copied(),
            agent: request.headers().get(USER_AGENT).cloned(),
            id: request.extensions().get().cloned(),
            method: request.method().clone(),
        }
    }

    fn of_refusal(self, response: &Response, route: &str) -> Option<Refusal> {
        let error = response.extensions().get::<Arc<ApiError>>().filter(|error| error.code == ErrorCode::Forbidden)?;
        Some(Refusal {
            user: self.user,
            email: self.email,
            credential: self.credential,
            acting: self.acting,
            origin: origin_of(self.address, self.agent.as_ref(), self.id.as_ref()),
            method: self.method,
            route: route.to_owned(),
            error: Arc::clone(error),
        })
    }
}

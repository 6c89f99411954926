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
use http::Method;
use hub_types::{Caller, ErrorCode, UserId};

use crate::{ApiError, ClientAddr, LimitState, Presented};

/// One request before it is let in.
#[derive(Debug, Clone)]
pub struct Knock {
    /// The credential, unverified.
    pub presented: Presented,
    /// Where it comes from, for limits and address allow-lists.
    pub address: IpAddr,
    /// True when the route may be used by nobody in particular.
    pub public: bool,
}

/// The gatekeeper's yes.
#[derive(Debug, Clone)]
pub struct Admission {
    /// Who it is; `None` only on public routes.
    pub caller: Option<Caller>,
    /// Where the caller stands in its limit, for the `RateLimit-*` headers.
    pub limit: Option<LimitState>,
}

/// Verifies credentials and applies the limits by role and key. Implemented once, over the hub's rules.
pub trait Gatekeeper: Send + Sync + 'static {
    /// Admits a request or says why not. A missing credential on a route that is not public is counted and refused
    /// here too, with 401.
    fn admit(&self, knock: Knock) -> BoxFuture<'_, Result<Admission, ApiError>>;
}

/// The account behind a request, in the response's extensions, for the access log.
#[derive(Debug, Clone, Copy)]
pub struct CallerId(pub UserId);

#[derive(Clone)]
struct Guard {
    gatekeeper: Arc<dyn Gatekeeper>,
    public: &'static [(&'static str, &'static str)],
}

/// Puts `gatekeeper` before every route of `router`, except what no route (404) or no method of it (405) matches. `public` lists
/// `(METHOD, matched path)` of the routes that anybody may use; `GET` covers `HEAD`. Call it after the last route.
///
/// On success the [`Caller`] is in the request's extensions and the limit's headers are on the response.
pub fn guarded(
    router: Router,
    gatekeeper: Arc<dyn Gatekeeper>,
    public: &'static [(&'static str, &'static str)],
) -> Router {
    // A router without routes has nothing to guard, and axum refuses a route layer on it.
    if !router.has_routes() {
        return router;
    }
    let router = router.route_layer(from_fn_with_state(Guard { gatekeeper, public }, guard));
    // Set after the guard, so that a method which no handler takes is 405 for everybody and not 401.
    router.method_not_allowed_fallback(async || ApiError::new(ErrorCode::MethodNotAllowed))
}

async fn guard(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let path = matched.as_ref().map_or("", MatchedPath::as_str);
    let public = is_public(guard.public, request.method(), path);
    let address = request.extensions().get::<ClientAddr>().copied();
    let knock = Knock {
        presented: Presented::of(request.headers()),
        address: address.map_or(IpAddr::from([0, 0, 0, 0]), |ClientAddr(address)| address),
        public,
    };
    let mut user = None;
    let mut response = match guard.gatekeeper.admit(knock).await {
        // The gatekeeper's answer is checked once more: no caller, no closed route.
        Ok(Admission { caller: None, .. }) if !public => ApiError::unauthenticated().into_response(),
        Ok(Admission { caller, limit }) => {
            user = caller.as_ref().map(|caller| CallerId(caller.user));
            if let Some(caller) = caller {
                request.extensions_mut().insert(caller);
            }
            let mut response = next.run(request).await;
            if let Some(limit) = limit {
                limit.write_if_absent(response.headers_mut());
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
    let extensions = response.extensions_mut();
    if let Some(user) = user {
        extensions.insert(user);
    }
    if let Some(matched) = matched {
        extensions.insert(matched);
    }
    response
}

fn is_public(public: &[(&str, &str)], method: &Method, path: &str) -> bool {
    let method = if *method == Method::HEAD { Method::GET.as_str() } else { method.as_str() };
    public.iter().any(|(open, route)| *open == method && *route == path)
}

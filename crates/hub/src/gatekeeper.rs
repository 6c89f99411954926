//! Who may come in: the web kit's question, answered by the rules. A verified caller is counted as a person, everybody else by address.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use hub_domain::access::{self, AccessError, Proof};
use hub_domain::audit::{self, DeniedCall};
use hub_domain::rbac::Denied;
use hub_domain::Hub;
use hub_domain::limits::{self, Counted};
use hub_types::{Caller, ErrorCode, Permission};
use hub_web::{Admission, ApiError, Gatekeeper, Knock, LimitState, Presented, Refusal, RouteKind, rate_key};
use serde_json::json;

/// When a caller may try again while the database is away.
const RETRY: Duration = Duration::from_secs(2);

/// The gatekeeper of all edges of this process.
pub(crate) struct HubGatekeeper(pub(crate) Arc<Hub>);

impl Gatekeeper for HubGatekeeper {
    fn admit(&self, knock: Knock) -> BoxFuture<'_, Result<Admission, ApiError>> {
        Box::pin(self.decide(knock))
    }

    fn refused(&self, refusal: Refusal) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let call = DeniedCall {
                user: refusal.user,
                email: &refusal.email,
                permission: asked_for(&refusal.error),
                method: refusal.method.as_str(),
                route: &refusal.route,
            };
            audit::record_denied(&self.0, &refusal.origin, &call).await;
        })
    }
}

/// The permission that was lacking, where that is why.
fn asked_for(error: &ApiError) -> Option<Permission> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(Denied(permission)) = error.downcast_ref() {
            return Some(*permission);
        }
        cause = error.source();
    }
    None
}

impl HubGatekeeper {
    async fn decide(&self, knock: Knock) -> Result<Admission, ApiError> {
        if let Some(caller) = self.verify(&knock).await? {
            let limit = within(limits::count_caller(&self.0, &caller).await)?;
            return Ok(Admission { caller: Some(caller), limit });
        }
        let limit = within(limits::count_address(&self.0, &rate_key(knock.address)).await)?;
        match knock.route {
            RouteKind::Public => Ok(Admission { caller: None, limit }),
            RouteKind::Optional if knock.presented == Presented::Nothing => Ok(Admission { caller: None, limit }),
            RouteKind::Optional | RouteKind::Closed => Err(refusal(limit)),
        }
    }

    /// `None`: nothing was shown, or nothing that counts.
    async fn verify(&self, knock: &Knock) -> Result<Option<Caller>, ApiError> {
        let proof = match &knock.presented {
            Presented::Nothing | Presented::Malformed => return Ok(None),
            Presented::AccessToken(token) => Proof::AccessToken(token),
            Presented::ApiKey(key) => Proof::ApiKey(key),
        };
        match access::authenticate(&self.0, proof, known(knock.address)).await {
            Ok(caller) => Ok(Some(caller)),
            Err(AccessError::Invalid) => Ok(None),
            Err(AccessError::Store(error)) if error.is_unavailable() => {
                Err(ApiError::new(ErrorCode::Unavailable).retry_after(RETRY).source(error))
            }
            Err(error) => Err(ApiError::internal(error)),
        }
    }
}

/// `0.0.0.0` stands for a socket that is not known; it must not fit a key's list of addresses.
fn known(address: IpAddr) -> Option<IpAddr> {
    (!address.is_unspecified()).then_some(address)
}

fn within(counted: Option<Counted>) -> Result<Option<LimitState>, ApiError> {
    let Some(Counted { window, scope }) = counted else { return Ok(None) };
    let state = LimitState { limit: window.limit, remaining: window.remaining, reset: window.reset };
    if window.allowed {
        return Ok(Some(state));
    }
    let details = json!({ "gate": "requests_per_minute", "scope": scope, "limit": window.limit });
    Err(ApiError::new(ErrorCode::RateLimitExceeded).details(details).limit(state).retry_after(window.reset))
}

fn refusal(limit: Option<LimitState>) -> ApiError {
    let error = ApiError::unauthenticated();
    match limit {
        Some(limit) => error.limit(limit),
        None => error,
    }
}

//! The verified caller, put into the request by [`crate::guarded`]. Nothing is verified here.

use axum::extract::FromRequestParts;
use http::request::Parts;
use hub_types::Caller;

use crate::ApiError;

/// A caller who is known. Errors: 401 when nobody is, which on a guarded route that is not public cannot happen.
#[derive(Debug, Clone)]
pub struct Authenticated(pub Caller);

impl<S: Sync> FromRequestParts<S> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        parts.extensions.get::<Caller>().cloned().map(Self).ok_or_else(ApiError::unauthenticated)
    }
}

/// A caller who may be unknown, on public routes.
#[derive(Debug, Clone)]
pub struct MaybeCaller(pub Option<Caller>);

impl<S: Sync> FromRequestParts<S> for MaybeCaller {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(parts.extensions.get::<Caller>().cloned()))
    }
}

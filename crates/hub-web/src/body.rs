//! Reading request bodies: what can go wrong on the way, and one function that turns it into an error of ours.
//!
//! Bodies are limited by the layers [`crate::with_body_limit`] and [`crate::with_body_timeout`]; the ceiling here is the
//! last wall for a router that runs without them. Nothing here looks into a body.

use std::error::Error;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hub_types::ErrorCode;

use crate::ApiError;

/// No body is ever read whole beyond this many bytes, whatever the layers say.
const CEILING: usize = 64 * 1024 * 1024;

/// Why a request body was cut off by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// More bytes than the route takes (413).
    #[error("the request body is larger than this route takes")]
    TooLarge,
    /// The sender paused too long or sends too slowly (408).
    #[error("the request body arrives too slowly")]
    TooSlow,
    /// A peer we read from sent nothing for too long.
    #[error("nothing arrived for too long")]
    Idle,
}

impl BodyError {
    /// The error the sender gets.
    pub fn to_api_error(self) -> ApiError {
        match self {
            Self::TooLarge => ApiError::new(ErrorCode::PayloadTooLarge),
            Self::TooSlow => ApiError::new(ErrorCode::RequestTimeout),
            Self::Idle => ApiError::new(ErrorCode::GatewayTimeout),
        }
    }
}

/// Finds a [`BodyError`] in a chain of causes, for instance below the error of an HTTP client that forwarded the body.
pub fn body_error_in(error: &(dyn Error + 'static)) -> Option<BodyError> {
    let mut next = Some(error);
    for _ in 0..16 {
        let error = next?;
        if let Some(found) = error.downcast_ref::<BodyError>() {
            return Some(*found);
        }
        if error.is::<LengthLimitError>() {
            return Some(BodyError::TooLarge);
        }
        next = error.source();
    }
    None
}

/// Reads a whole request body. Errors: 413 too large, 408 too slow, 400 broken off.
pub async fn read_body(body: Body) -> Result<Bytes, ApiError> {
    match Limited::new(body, CEILING).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => Err(match body_error_in(&*error) {
            Some(known) => known.to_api_error(),
            None => ApiError::new(ErrorCode::Validation).message("The request body broke off").source(error),
        }),
    }
}

/// A whole request body as bytes, with our errors. For routes that forward it as it came.
#[derive(Debug, Clone)]
pub struct RawBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        read_body(request.into_body()).await.map(Self)
    }
}

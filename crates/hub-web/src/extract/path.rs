//! Parameters in the path, with our errors.
#![expect(clippy::disallowed_types, reason = "this is the replacement that the lint asks for; axum parses beneath it")]

use axum::extract::FromRequestParts;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::reason::bad_field;
use crate::ApiError;

/// Reads `{id}` and its like into `T`. Errors: 400 naming the parameter.
#[derive(Debug, Clone, Copy, Default)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        if parts.uri.path().contains("%00") {
            return Err(ApiError::validation("path", "holds a NUL character"));
        }
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(explain(rejection)),
        }
    }
}

fn explain(rejection: PathRejection) -> ApiError {
    let PathRejection::FailedToDeserializePathParams(failed) = rejection else {
        return ApiError::internal(rejection);
    };
    match failed.kind() {
        ErrorKind::ParseErrorAtKey { key, expected_type, .. } => {
            bad_field(key, &format!("invalid value, expected {expected_type}"), "path")
        }
        ErrorKind::ParseErrorAtIndex { expected_type, .. } | ErrorKind::ParseError { expected_type, .. } => {
            bad_field("", &format!("invalid value, expected {expected_type}"), "path")
        }
        ErrorKind::InvalidUtf8InPathParam { key } => ApiError::validation(key, "is not valid UTF-8"),
        ErrorKind::DeserializeError { key, message, .. } => bad_field(key, message, "path"),
        ErrorKind::Message(message) => bad_field("", message, "path"),
        // The route and its handler do not fit together: our fault.
        _ => ApiError::internal(failed),
    }
}

//! The header `Idempotency-Key`: the caller's own name for one act, so that a repetition is recognised.

use axum::extract::FromRequestParts;
use http::HeaderName;
use http::request::Parts;

use crate::ApiError;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The key, if one was sent. Errors: 400 unless it is 1 to 255 visible ASCII characters and stands once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(pub Option<String>);

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let mut values = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let key = match (values.next(), values.next()) {
            (None, _) => return Ok(Self(None)),
            (Some(only), None) => only.to_str().ok(),
            (Some(_), Some(_)) => None,
        };
        Self::checked(key.unwrap_or_default(), "Idempotency-Key").map(|key| Self(Some(key)))
    }
}

impl IdempotencyKey {
    /// A key that came in another place than the header; `field` names it in the error for one that is none.
    pub fn checked(key: &str, field: &'static str) -> Result<String, ApiError> {
        if (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(key.to_owned());
        }
        Err(ApiError::validation(field, "must be 1 to 255 visible ASCII characters"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(values: &[&str]) -> Result<IdempotencyKey, ApiError> {
        let mut request = http::Request::post("/");
        for value in values {
            request = request.header("idempotency-key", *value);
        }
        IdempotencyKey::from_request_parts(&mut request.body(()).unwrap().into_parts().0, &()).await
    }

    #[tokio::test]
    async fn a_key_is_visible_ascii_of_bounded_length() {
        assert_eq!(read(&[]).await.unwrap(), IdempotencyKey(None));
        assert_eq!(read(&["order-7"]).await.unwrap(), IdempotencyKey(Some("order-7".into())));
        for bad in [&["" as &str][..], &["a b"], &["é"], &["a", "b"], &[&"x".repeat(256)]] {
            assert!(read(bad).await.is_err(), "{bad:?}");
        }
    }
}

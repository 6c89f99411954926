//! The header `x-max-credits`: the most a caller wants to pay for this one call.

use axum::extract::FromRequestParts;
use http::HeaderName;
use http::request::Parts;
use hub_types::Credits;

use crate::ApiError;

const MAX_CREDITS: HeaderName = HeaderName::from_static("x-max-credits");

/// The cap, if one was sent. Errors: 400 unless it is one decimal number of credits above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxCredits(pub Option<Credits>);

impl<S: Sync> FromRequestParts<S> for MaxCredits {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let mut values = parts.headers.get_all(MAX_CREDITS).iter();
        let cap = match (values.next(), values.next()) {
            (None, _) => return Ok(Self(None)),
            (Some(only), None) => only.to_str().ok().and_then(|text| text.trim().parse::<Credits>().ok()),
            (Some(_), Some(_)) => None,
        };
        match cap.filter(|cap| cap.is_positive()) {
            Some(cap) => Ok(Self(Some(cap))),
            None => Err(ApiError::validation("x-max-credits", "must be a number of credits above zero")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(values: &[&str]) -> Result<MaxCredits, ApiError> {
        let mut request = http::Request::post("/");
        for value in values {
            request = request.header("x-max-credits", *value);
        }
        MaxCredits::from_request_parts(&mut request.body(()).unwrap().into_parts().0, &()).await
    }

    #[tokio::test]
    async fn a_cap_is_one_amount_above_zero() {
        assert_eq!(read(&[]).await.unwrap(), MaxCredits(None));
        assert_eq!(read(&["0.25"]).await.unwrap(), MaxCredits(Some(Credits::from_micro(250_000))));
        for bad in [&["" as &str][..], &["0"], &["-1"], &["NaN"], &["1e3"], &["0.0000001"], &["1", "2"]] {
            assert!(read(bad).await.is_err(), "{bad:?}");
        }
    }
}

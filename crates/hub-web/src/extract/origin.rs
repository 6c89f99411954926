//! Where a request came from, in the words rules write into the audit log. Never fails: what is unknown is empty.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::header::USER_AGENT;
use http::request::Parts;
use hub_types::Origin;

use crate::{ClientAddr, RequestId};

/// Longest `User-Agent` that is kept, in characters.
const MAX_USER_AGENT: usize = 300;

/// Address, user agent and id of the request.
#[derive(Debug, Clone, Default)]
pub struct RequestOrigin(pub Origin);

impl<S: Sync> FromRequestParts<S> for RequestOrigin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let address = parts.extensions.get::<ClientAddr>().map(|ClientAddr(address)| address.to_string());
        let agent = parts.headers.get(USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()).into_owned());
        let request_id = parts.extensions.get::<RequestId>().map(|id| id.as_str().to_owned());
        Ok(Self(Origin {
            address: address.unwrap_or_default(),
            user_agent: agent.unwrap_or_default().chars().take(MAX_USER_AGENT).collect(),
            request_id: request_id.unwrap_or_default(),
        }))
    }
}

//! Where a request came from, in the words rules write into the audit log. Never fails: what is unknown is empty.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::HeaderValue;
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
        let extensions = &parts.extensions;
        Ok(Self(origin_of(extensions.get().copied(), parts.headers.get(USER_AGENT), extensions.get())))
    }
}

/// The same from its parts.
pub(crate) fn origin_of(address: Option<ClientAddr>, agent: Option<&HeaderValue>, id: Option<&RequestId>) -> Origin {
    let agent = agent.map(|agent| String::from_utf8_lossy(agent.as_bytes()).chars().take(MAX_USER_AGENT).collect());
    Origin {
        address: address.map(|ClientAddr(address)| address.to_string()).unwrap_or_default(),
        user_agent: agent.unwrap_or_default(),
        request_id: id.map(|id| id.as_str().to_owned()).unwrap_or_default(),
    }
}

//! The handshake: who opens the socket, and from where.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::Response;
use http::header::{HOST, ORIGIN};
use http::{HeaderMap, Uri};
use hub_domain::Hub;
use hub_types::ErrorCode;
use hub_web::{ApiError, ClientAddr, MaybeCaller, RequestId};

use super::session;

/// Largest message a client may send, in bytes.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;

/// Opens the socket. A program shows its credential in the header; a browser, which cannot, opens first and sends
/// `{"type":"auth","ticket":"…"}` (from `POST /api/auth/ws-ticket`) as its first frame.
#[utoipa::path(get, path = "/api/ws", tag = "mcp", responses((status = 101, description = "The socket is open")))]
pub(crate) async fn connect(
    State(hub): State<Arc<Hub>>,
    MaybeCaller(caller): MaybeCaller,
    ClientAddr(address): ClientAddr,
    request_id: RequestId,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade.map_err(|error| ApiError::new(ErrorCode::UpgradeRequired).source(error))?;
    if !same_origin(&headers, &hub.settings.identity.public_url) {
        return Err(ApiError::new(ErrorCode::Forbidden).message("The socket may not be opened from this origin"));
    }
    let upgrade = upgrade.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE);
    Ok(upgrade.on_upgrade(move |socket| session::run(hub, socket, caller, address, request_id)))
}

/// A browser says from which page a socket is opened: it must be ours, or any site could use a signed-in browser. Programs send no
/// `Origin` and carry their credential in a header no site can set.
fn same_origin(headers: &HeaderMap, public_url: &str) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let authority = |url: &str| url.parse::<Uri>().ok().and_then(|uri| uri.authority().map(ToString::to_string));
    let Some(from) = origin.to_str().ok().and_then(authority) else { return false };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    host == Some(from.as_str()) || authority(public_url).is_some_and(|public| public == from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(origin: Option<&'static str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, http::HeaderValue::from_static("127.0.0.1:3000"));
        if let Some(origin) = origin {
            headers.insert(ORIGIN, http::HeaderValue::from_static(origin));
        }
        same_origin(&headers, "https://hub.example.com")
    }

    #[test]
    fn only_our_own_pages_and_programs_may_open_a_socket() {
        for good in [None, Some("http://127.0.0.1:3000"), Some("https://hub.example.com")] {
            assert!(allowed(good), "{good:?}");
        }
        for bad in ["null", "https://evil.example", "https://hub.example.com.evil.example", "http://127.0.0.1:3001", ""]
        {
            assert!(!allowed(Some(bad)), "{bad}");
        }
    }
}

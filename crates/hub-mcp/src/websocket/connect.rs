//! The handshake: who opens the socket, and from where.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::Response;
use http::HeaderMap;
use hub_domain::Hub;
use hub_types::ErrorCode;
use hub_web::{ApiError, ClientAddr, MaybeCaller, RequestOrigin, comes_from_here};

use super::open::Open;
use super::session;

/// Largest message a client may send, in bytes.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;
/// What is read at once, in bytes. Every open socket has it from its first to its last moment, idle or not (tungstenite's own default is
/// 128 KiB); a longer message grows the buffer for as long as it is being read.
const READ_BUFFER: usize = 4 * 1024;

/// Opens the socket. A program shows its credential in the header; a browser, which cannot, opens first and sends
/// `{"type":"auth","ticket":"…"}` (from `POST /api/auth/ws-ticket`) as its first frame.
#[utoipa::path(get, path = "/api/ws", tag = "mcp", security((), ("bearer" = []), ("apiKey" = [])),
    responses((status = 101, description = "The socket is open"),
        (status = 426, description = "A request that is no WebSocket's", body = hub_web::openapi::ErrorEnvelope)))]
pub(crate) async fn connect(
    State(hub): State<Arc<Hub>>,
    MaybeCaller(caller): MaybeCaller,
    ClientAddr(address): ClientAddr,
    RequestOrigin(origin): RequestOrigin,
    Extension(open): Extension<Open>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade.map_err(|error| ApiError::new(ErrorCode::UpgradeRequired).source(error))?;
    // Without this any site could open a socket from a signed-in browser (RFC 6455 §10.2).
    if !comes_from_here(&headers, &hub.settings.identity.public_url) {
        return Err(ApiError::new(ErrorCode::Forbidden).message("The socket may not be opened from this origin"));
    }
    let upgrade = upgrade.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE).read_buffer_size(READ_BUFFER);
    Ok(upgrade.on_upgrade(move |socket| session::run(hub, socket, open, caller, address, origin)))
}

//! `POST /api/auth/ws-ticket`: a one-time ticket for a WebSocket, because browsers cannot send `Authorization` there.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::{Hub, access};
use hub_web::{ApiError, Authenticated, Json};
use serde::Serialize;
use utoipa::ToSchema;

use crate::errors;

/// A ticket, to be sent as the first frame.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TicketBody {
    /// Works once, within 30 seconds.
    ticket: String,
}

/// Gives a ticket that opens one WebSocket as this caller.
#[utoipa::path(post, path = "/api/auth/ws-ticket", tag = "auth", responses((status = 200, body = TicketBody)))]
pub(crate) async fn ws_ticket(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
) -> Result<Json<TicketBody>, ApiError> {
    let ticket = access::issue_ticket(&hub, &caller).await.map_err(errors::ticket)?;
    Ok(Json(TicketBody { ticket }))
}

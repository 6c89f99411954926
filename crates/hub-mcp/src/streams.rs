//! Reading a recorded stream again over HTTP.

use std::sync::Arc;

use axum::response::Response;
use hub_domain::Hub;
use hub_domain::inference::replay::{self, EventId, Form};
use hub_types::{Caller, HoldId};
use hub_web::ApiError;
use hub_web::sse::sse_response;

use crate::asked::Asked;
use crate::{errors, head};

/// The caller's own stream from the place its header names, or from the start.
pub(crate) async fn resume(
    hub: &Arc<Hub>,
    caller: &Caller,
    stream: HoldId,
    asked: &Asked,
) -> Result<Response, ApiError> {
    let after = asked.after.unwrap_or(EventId { stream, number: 0 });
    if after.stream != stream {
        return Err(ApiError::validation("Last-Event-ID", "is of another stream"));
    }
    follow(hub, caller, after).await
}

/// The caller's own stream after this event: what is there, then what comes.
pub(crate) async fn follow(hub: &Arc<Hub>, caller: &Caller, after: EventId) -> Result<Response, ApiError> {
    let followed = replay::follow(hub, caller, after, Form::Sse).await.map_err(errors::resume)?;
    let mut response = sse_response(followed.events);
    head::put(&mut response, &followed.preface.headers);
    Ok(response)
}

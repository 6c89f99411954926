//! Reading a recorded stream again over HTTP.

use std::sync::Arc;

use axum::response::Response;
use futures::StreamExt as _;
use hub_domain::Hub;
use hub_domain::inference::replay::{self, EventId, Form};
use hub_types::{Caller, HoldId};
use hub_web::sse::sse_response;
use hub_web::{ApiError, RequestId};

use crate::asked::Asked;
use crate::wire::Wire;
use crate::{errors, head};

/// The caller's own stream from the place its header names, or from the start.
pub(crate) async fn resume(
    hub: &Arc<Hub>,
    caller: &Caller,
    request_id: RequestId,
    stream: HoldId,
    asked: &Asked,
) -> Result<Response, ApiError> {
    let after = asked.after.unwrap_or(EventId { stream, number: 0 });
    if after.stream != stream {
        return Err(ApiError::validation("Last-Event-ID", "is of another stream"));
    }
    follow(hub, caller, request_id, after).await
}

/// The caller's own stream after this event: what is there, then what comes. A reading that ends too early ends with an error in the words of
/// the stream, never as a whole answer does.
pub(crate) async fn follow(
    hub: &Arc<Hub>,
    caller: &Caller,
    request_id: RequestId,
    after: EventId,
) -> Result<Response, ApiError> {
    let followed = replay::follow(hub, caller, after, Form::Sse).await.map_err(errors::resume)?;
    let (wire, hub) = (Wire::of(&followed.preface), Arc::clone(hub));
    let mut response = sse_response(followed.events.map(move |event| match event {
        Ok(event) => {
            wire.passed(&event);
            event
        }
        Err(interrupted) => wire.failure(&hub, &request_id, &errors::interrupted(interrupted)),
    }));
    head::put(&mut response, &followed.preface.headers);
    Ok(response)
}

//! Turning the frames of a call into the protocol's.

use hub_domain::Hub;
use hub_domain::inference::{Frame, InferenceError};
use hub_web::{ApiError, RequestId, error_body};

use super::McpFrame;
use super::response::McpUsage;
use crate::errors;

/// The protocol's frame for a frame of a call; `None` for events without text (a role, a finish reason).
pub(crate) fn translate(hub: &Hub, id: &str, request_id: &RequestId, frame: Frame) -> Option<McpFrame> {
    match frame {
        Frame::Event { text, .. } if text.is_empty() => None,
        Frame::Event { text, .. } => Some(McpFrame::Chunk { id: id.to_owned(), data: text, event: None }),
        Frame::Done { bill, .. } => Some(McpFrame::done(id.to_owned(), *bill)),
        Frame::Failed { error, bill } => Some(match *error {
            InferenceError::Cancelled(bill) => McpFrame::cancelled(id.to_owned(), *bill),
            error => {
                let usage = bill.as_deref().map(McpUsage::from);
                McpFrame::Error { id: Some(id.to_owned()), error: inner(hub, request_id, error), usage, event: None }
            }
        }),
        Frame::Unsettled { error, .. } => {
            let error = inner(hub, request_id, *error);
            Some(McpFrame::Error { id: Some(id.to_owned()), error, usage: None, event: None })
        }
    }
}

/// An error frame for a request that was refused before a call began.
pub(crate) fn refusal(hub: &Hub, id: Option<String>, request_id: &RequestId, error: &ApiError) -> McpFrame {
    McpFrame::Error { id, error: error_body(error, request_id.as_str(), hub.clock.now()), usage: None, event: None }
}

fn inner(hub: &Hub, request_id: &RequestId, error: InferenceError) -> serde_json::Value {
    let error = errors::inference(error);
    tracing::warn!(requestId = %request_id, %error, "a stream broke off");
    error_body(&error, request_id.as_str(), hub.clock.now())
}

//! How an answer is written: in OpenAI's or Anthropic's words, whose bytes come from the provider, or in the spec's protocol.

use bytes::Bytes;
use hub_domain::Hub;
use hub_domain::inference::replay::EventId;
use hub_domain::inference::{Frame, Whole};
use hub_web::sse::Event;
use hub_web::{ErrorShape, RequestId};

use crate::errors;
use crate::protocol::{Kind, McpCompletion, frames};

/// The wire of one request.
#[derive(Debug, Clone)]
pub(crate) enum Wire {
    /// OpenAI's or Anthropic's; the shape is that of its errors.
    Compatible(ErrorShape),
    /// The spec's.
    Protocol {
        /// The client's name for the request.
        id: String,
        /// What was asked.
        kind: Kind,
    },
}

impl Wire {
    /// The body of a whole answer, in JSON.
    pub(crate) fn whole(&self, whole: Whole) -> Bytes {
        match self {
            Self::Compatible(_) => whole.body,
            // Strings and numbers always have a JSON form.
            Self::Protocol { id, kind } => {
                serde_json::to_vec(&McpCompletion::new(id.clone(), *kind, whole)).unwrap_or_default().into()
            }
        }
    }

    /// A frame as server-sent events; often one, sometimes none.
    pub(crate) fn events(&self, hub: &Hub, request_id: &RequestId, frame: Frame) -> Bytes {
        match self {
            Self::Compatible(shape) => compatible(hub, request_id, *shape, frame),
            Self::Protocol { id, .. } => {
                let frame = frames::translate(hub, id, request_id, frame);
                frame.map(|frame| Event::data(frame.to_json()).to_bytes()).unwrap_or_default()
            }
        }
    }

    /// The same, each event with its id, from `next` on. Comments are left out: OpenAI's SDK for Python, once it has seen an id, takes
    /// every empty line for the end of an event and fails on its missing data.
    pub(crate) fn numbered(&self, hub: &Hub, request_id: &RequestId, next: EventId, frame: Frame) -> Vec<Bytes> {
        let bytes = self.events(hub, request_id, frame);
        let events = fields_of_events(&bytes).into_iter().zip(0..);
        events.map(|(fields, n)| [fields, format!("id: {}\n\n", next.plus(n)).as_bytes()].concat().into()).collect()
    }
}

fn compatible(hub: &Hub, request_id: &RequestId, shape: ErrorShape, frame: Frame) -> Bytes {
    match frame {
        Frame::Event { raw, .. } | Frame::Done { raw, .. } => raw,
        Frame::Failed { error, .. } => {
            let error = errors::inference(*error);
            tracing::warn!(requestId = %request_id, %error, "a stream broke off");
            let body = shape.render(&error, request_id.as_str(), hub.clock.now()).to_string();
            match shape {
                // Anthropic's clients know an error by the name of its event (providers.md §3.4).
                ErrorShape::Anthropic => Event::named("error", body).to_bytes(),
                // OpenAI's clients raise on any data object with `error` (providers.md §1.3).
                ErrorShape::OpenAi | ErrorShape::Hub => Event::data(body).to_bytes(),
            }
        }
    }
}

/// The lines of each event, as they came, without the empty line that ends it.
fn fields_of_events(bytes: &[u8]) -> Vec<&[u8]> {
    let mut events = Vec::new();
    let (mut begin, mut at, mut says) = (0, 0, false);
    while at < bytes.len() {
        let line = at;
        while at < bytes.len() && !matches!(bytes[at], b'\n' | b'\r') {
            at += 1;
        }
        let empty = at == line;
        says |= !empty && bytes[line] != b':';
        at += if bytes[at..].starts_with(b"\r\n") { 2 } else { 1 };
        if empty {
            if says {
                events.push(&bytes[begin..line]);
            }
            (begin, says) = (at, false);
        }
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_apart_whatever_their_line_ends_and_comments_are_none() {
        let bytes = b"data: 1\n\n: hello\n\nevent: x\r\ndata: 2\r\n\r\n: note\ndata: 3\n\ndata: open";
        let expected: [&[u8]; 3] = [b"data: 1\n", b"event: x\r\ndata: 2\r\n", b": note\ndata: 3\n"];
        assert_eq!(fields_of_events(bytes), expected);
        assert!(fields_of_events(b"").is_empty());
        assert!(fields_of_events(b": keep-alive\n\n").is_empty());
    }
}

//! How an answer is written: in OpenAI's or Anthropic's words, whose bytes come from the provider, or in the spec's protocol.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use hub_domain::Hub;
use hub_domain::inference::replay::{EventId, Preface};
use hub_domain::inference::{Frame, Whole};
use hub_web::sse::Event;
use hub_web::{ApiError, ErrorShape, RequestId};
use serde_json::{Value, json};

use crate::errors;
use crate::protocol::{Kind, McpCompletion, frames};

/// The wire of one request.
#[derive(Debug, Clone)]
pub(crate) enum Wire {
    /// OpenAI's or Anthropic's; the shape is that of its errors.
    Compatible(ErrorShape),
    /// That of OpenAI's responses, whose events are numbered and whose errors are events as all others.
    Responses(Sequence),
    /// The spec's.
    Protocol {
        /// The client's name for the request.
        id: String,
        /// What was asked.
        kind: Kind,
    },
}

impl Wire {
    /// That of a recorded stream.
    pub(crate) fn of(preface: &Preface) -> Self {
        match preface.wire.as_str() {
            "anthropic" => Self::Compatible(ErrorShape::Anthropic),
            "responses" => Self::Responses(Sequence::default()),
            "protocol" => Self::Protocol { id: preface.name.clone().unwrap_or_default(), kind: Kind::Chat },
            _ => Self::Compatible(ErrorShape::OpenAi),
        }
    }

    /// The word by which a recorded stream knows it.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Compatible(ErrorShape::Anthropic) => "anthropic",
            Self::Compatible(ErrorShape::OpenAi | ErrorShape::Hub) => "openai",
            Self::Responses(_) => "responses",
            Self::Protocol { .. } => "protocol",
        }
    }

    /// The client's name for the request, where the wire has one.
    pub(crate) fn name(&self) -> Option<String> {
        match self {
            Self::Compatible(_) | Self::Responses(_) => None,
            Self::Protocol { id, .. } => Some(id.clone()),
        }
    }

    /// Takes note of a recorded event that is passed on.
    pub(crate) fn passed(&self, event: &[u8]) {
        if let Self::Responses(sequence) = self {
            sequence.see(event);
        }
    }

    /// How a stream says that it failed. Nothing comes after it.
    pub(crate) fn failure(&self, hub: &Hub, request_id: &RequestId, error: &ApiError) -> Bytes {
        tracing::warn!(requestId = %request_id, %error, "a stream broke off");
        let now = hub.clock.now();
        match self {
            Self::Compatible(shape) => {
                let body = shape.render(error, request_id.as_str(), now).to_string();
                match shape {
                    // Anthropic's clients know an error by the name of its event (providers.md §3.4).
                    ErrorShape::Anthropic => Event::named("error", body).to_bytes(),
                    // OpenAI's clients raise on any data object with `error` (providers.md §1.3).
                    ErrorShape::OpenAi | ErrorShape::Hub => Event::data(body).to_bytes(),
                }
            }
            // The terminal event `error`, with the number that follows (providers.md §1.5).
            Self::Responses(sequence) => {
                let mut body = ErrorShape::OpenAi.render(error, request_id.as_str(), now);
                let mut event = body["error"].take();
                if let Value::Object(fields) = &mut event {
                    fields.insert("type".into(), "error".into());
                    fields.insert("sequence_number".into(), json!(sequence.next()));
                }
                Event::named("error", event.to_string()).to_bytes()
            }
            Self::Protocol { id, .. } => {
                Event::data(frames::refusal(hub, Some(id.clone()), request_id, error).to_json()).to_bytes()
            }
        }
    }

    /// The body of a whole answer, in JSON.
    pub(crate) fn whole(&self, whole: Whole) -> Bytes {
        match self {
            Self::Compatible(_) | Self::Responses(_) => whole.body,
            // Strings and numbers always have a JSON form.
            Self::Protocol { id, kind } => {
                serde_json::to_vec(&McpCompletion::new(id.clone(), *kind, whole)).unwrap_or_default().into()
            }
        }
    }

    /// A frame as server-sent events; often one, sometimes none.
    pub(crate) fn events(&self, hub: &Hub, request_id: &RequestId, frame: Frame) -> Bytes {
        if let Self::Protocol { id, .. } = self {
            let frame = frames::translate(hub, id, request_id, frame);
            return frame.map(|frame| Event::data(frame.to_json()).to_bytes()).unwrap_or_default();
        }
        match frame {
            Frame::Event { raw, .. } | Frame::Done { raw, .. } => {
                self.passed(&raw);
                raw
            }
            Frame::Failed { error, .. } | Frame::Unsettled { error, .. } => {
                // What failed, and why, stands in a terminal event of the provider's already (providers.md §1.5).
                if let (Self::Responses(sequence), Some(raw)) = (self, error.told()) {
                    tracing::warn!(requestId = %request_id, %error, "a stream broke off");
                    sequence.see(raw);
                    return raw.clone();
                }
                self.failure(hub, request_id, &errors::inference(*error))
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

/// The number of the next event of a response.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sequence(Arc<AtomicU64>);

impl Sequence {
    /// Takes note of the events that are passed on.
    fn see(&self, raw: &[u8]) {
        // Inside a string its quotes would be escaped.
        const NAME: &str = "\"sequence_number\":";
        let Ok(text) = std::str::from_utf8(raw) else { return };
        let Some(at) = text.rfind(NAME) else { return };
        let rest = text[at + NAME.len()..].trim_start();
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        if let Ok(number) = rest[..digits].parse::<u64>() {
            self.0.store(number.saturating_add(1), Ordering::Relaxed);
        }
    }

    fn next(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
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
    fn the_number_of_the_next_event_follows_the_last_that_was_seen() {
        let sequence = Sequence::default();
        assert_eq!(sequence.next(), 0);
        for (raw, next) in [
            ("event: a\ndata: {\"sequence_number\":0}\n\nevent: b\ndata: {\"sequence_number\": 41, \"x\":1}\n\n", 42),
            ("data: {\"delta\":\"\\\"sequence_number\\\":7\"}\n\n", 42),
            ("data: {\"sequence_number\":\"x\"}\n\n", 42),
            (": ping\n\n", 42),
        ] {
            sequence.see(raw.as_bytes());
            assert_eq!(sequence.next(), next, "{raw}");
        }
    }

    #[test]
    fn events_are_told_apart_whatever_their_line_ends_and_comments_are_none() {
        let bytes = b"data: 1\n\n: hello\n\nevent: x\r\ndata: 2\r\n\r\n: note\ndata: 3\n\ndata: open";
        let expected: [&[u8]; 3] = [b"data: 1\n", b"event: x\r\ndata: 2\r\n", b": note\ndata: 3\n"];
        assert_eq!(fields_of_events(bytes), expected);
        assert!(fields_of_events(b"").is_empty());
        assert!(fields_of_events(b": keep-alive\n\n").is_empty());
    }
}

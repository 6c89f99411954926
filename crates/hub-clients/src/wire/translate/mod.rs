//! One wire told in another (providers.md §4). Pure: bytes and facts in, bytes and facts out.
//!
//! Each room is named `<the caller's wire>_over_<the provider's wire>` and holds the request one way, the whole answer and the stream the
//! other way. What has no place on the other side is named in [`Translated::dropped`] when the answer is still what was asked
//! for, and refused when it would not be. Facts for the meter are never lost on the way.

mod chat;
pub(crate) mod chat_over_messages;
pub(crate) mod chat_over_responses;
mod chunks;
pub(crate) mod completion_over_chat;
pub(crate) mod messages_over_chat;
mod origin;
pub(crate) mod responses_over_chat;
#[cfg(test)]
mod round_trip;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use serde::Serialize;

use crate::llm::sse::SseReader;
use crate::llm::{ChatEvent, LlmError};

pub(crate) use origin::Origin;

/// A request in another wire.
#[derive(Debug, Clone)]
pub(crate) struct Translated<R> {
    /// The request.
    pub(crate) request: R,
    /// Fields that have no place there.
    pub(crate) dropped: Vec<String>,
}

/// Tells a stream again in another wire.
pub(crate) trait Retell: Send {
    /// One event in, any number out. Every fact of `event` must come out once; see [`ChatEvent::told`].
    fn event(&mut self, event: ChatEvent, out: &mut Vec<ChatEvent>);
}

/// The stream as `retell` tells it. Errors end it, in nobody's wire.
pub(crate) fn retold(
    events: BoxStream<'static, Result<ChatEvent, LlmError>>,
    mut retell: impl Retell + 'static,
) -> BoxStream<'static, Result<ChatEvent, LlmError>> {
    events
        .map(move |item| match item {
            Ok(event) => {
                let mut out = Vec::new();
                retell.event(event, &mut out);
                out.into_iter().map(Ok).collect()
            }
            Err(error) => vec![Err(error.untold())],
        })
        .flat_map(stream::iter)
        .boxed()
}

/// The data of one event.
fn data_of(event: &ChatEvent) -> Option<Bytes> {
    let mut reader = SseReader::new();
    reader.push(event.raw.clone());
    reader.next_event()?.ok()?.data
}

/// The data of each event that is handed on as one.
fn all_data_of(event: &ChatEvent) -> Vec<Bytes> {
    let mut reader = SseReader::up_to(event.raw.len());
    reader.push(event.raw.clone());
    std::iter::from_fn(|| reader.next_event()?.ok()).filter_map(|event| event.data).collect()
}

/// Appends an event without a name.
fn write_data(out: &mut Vec<u8>, data: &impl Serialize) {
    out.extend_from_slice(b"data: ");
    write_json(out, data);
    out.extend_from_slice(b"\n\n");
}

/// Appends an event with a name.
fn write_event(out: &mut Vec<u8>, name: &str, data: &impl Serialize) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    write_json(out, data);
    out.extend_from_slice(b"\n\n");
}

fn write_json(out: &mut Vec<u8>, data: &impl Serialize) {
    // Everything written here is made of strings, numbers and JSON that was read: writing it to memory cannot fail.
    let _ = serde_json::to_writer(out, data);
}

/// An id of one wire under the prefix of another: `chatcmpl-7` as `msg_7`.
fn renamed(id: &str, prefixes: &[&str], prefix: &str) -> String {
    let bare = prefixes.iter().find_map(|known| id.strip_prefix(known)).unwrap_or(id);
    format!("{prefix}{bare}")
}

#[cfg(test)]
pub(crate) mod testing {
    //! Streams from text and back.

    use super::*;
    use crate::llm::ChatEventKind;

    /// Runs the events of `text` through `retell`; `read` says what the adapter would have read from each.
    pub(crate) fn tell(
        text: &str,
        retell: &mut impl Retell,
        mut read: impl FnMut(&[u8]) -> ChatEvent,
    ) -> (String, Vec<ChatEventKind>) {
        let mut reader = SseReader::new();
        reader.push(Bytes::copy_from_slice(text.as_bytes()));
        let mut all = Vec::new();
        while let Some(event) = reader.next_event() {
            let event = event.unwrap();
            let facts = read(event.data.as_deref().unwrap_or_default());
            retell.event(ChatEvent { raw: event.raw, ..facts }, &mut all);
        }
        let told = all.iter().flat_map(|event| event.raw.to_vec()).collect();
        (String::from_utf8(told).unwrap(), all.iter().map(|event| event.kind).collect())
    }
}

//! Server-sent events: how one event looks and how a stream of them is answered.
//!
//! The format is that of the HTML standard, "Server-sent events". Events are not looked into; a stream that is passed
//! through keeps its bytes. Keep-alive comments are put only between events, never inside one.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::Stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// A third of the time without an event after which a comment is sent (15 s).
const TICK: Duration = Duration::from_secs(5);
/// A line of its own, without an empty one: OpenAI's SDK for Python, once it has seen an `id:`, takes every empty line for the end of an event
/// and fails on its missing data (tried with openai 3.54).
const KEEP_ALIVE: Bytes = Bytes::from_static(b": keep-alive\n");

/// One event. Only `data` is always there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// `id:`, what a client sends back as `Last-Event-ID`.
    pub id: Option<String>,
    /// `event:`, its name; `message` for clients when missing.
    pub name: Option<&'static str>,
    /// `data:`, any text; lines are split as the format asks.
    pub data: String,
}

impl Event {
    /// An event without a name.
    pub fn data(data: impl Into<String>) -> Self {
        Self { data: data.into(), ..Self::default() }
    }

    /// An event with a name.
    pub fn named(name: &'static str, data: impl Into<String>) -> Self {
        Self { name: Some(name), data: data.into(), id: None }
    }

    /// Adds an id. Line ends and NUL, which the format cannot carry in an id, are left out.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        let mut id: String = id.into();
        id.retain(|character| !matches!(character, '\n' | '\r' | '\0'));
        self.id = Some(id);
        self
    }

    /// The bytes on the wire, with the empty line that ends the event.
    pub fn to_bytes(&self) -> Bytes {
        let mut text = String::with_capacity(self.data.len() + 32);
        // Writing to a String cannot fail.
        if let Some(id) = &self.id {
            let _ = writeln!(text, "id: {id}");
        }
        if let Some(name) = self.name {
            let _ = writeln!(text, "event: {name}");
        }
        for line in self.data.replace("\r\n", "\n").split(['\n', '\r']) {
            let _ = writeln!(text, "data: {line}");
        }
        text.push('\n');
        Bytes::from(text)
    }
}

/// Answers 200 with an event stream: never cached, never buffered by a proxy, kept alive by a comment after 15 s of
/// silence. `events` yields bytes of whole or partial events; an error midway is an event too, because the status is
/// long gone.
pub fn sse_response(events: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let mut response = Response::new(Body::from_stream(KeepAlive::new(events, TICK)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// Counts quiet ticks instead of measuring time per event: a busy stream never looks at a clock.
struct KeepAlive {
    events: Pin<Box<dyn Stream<Item = Bytes> + Send>>,
    ticks: Interval,
    quiet_ticks: u8,
    between_events: bool,
}

impl KeepAlive {
    fn new(events: impl Stream<Item = Bytes> + Send + 'static, tick: Duration) -> Self {
        let mut ticks = interval(tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { events: Box::pin(events), ticks, quiet_ticks: 0, between_events: true }
    }
}

impl Stream for KeepAlive {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Poll::Ready(next) = self.events.as_mut().poll_next(cx) {
            self.quiet_ticks = 0;
            if let Some(bytes) = next.as_ref().filter(|bytes| !bytes.is_empty()) {
                self.between_events = ends_an_event(bytes);
            }
            return Poll::Ready(next.map(Ok));
        }
        while self.ticks.poll_tick(cx).is_ready() {
            self.quiet_ticks = self.quiet_ticks.saturating_add(1);
            // The first tick of an interval is immediate, so the fourth is 15 s after the start.
            if self.quiet_ticks > 3 && self.between_events {
                self.quiet_ticks = 1;
                return Poll::Ready(Some(Ok(KEEP_ALIVE)));
            }
        }
        Poll::Pending
    }
}

fn ends_an_event(bytes: &[u8]) -> bool {
    bytes.ends_with(b"\n\n") || bytes.ends_with(b"\r\n\r\n") || bytes.ends_with(b"\r\r")
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;

    #[test]
    fn an_event_is_written_line_by_line() {
        let event = Event::named("chunk", "one\ntwo\r\nthree").id("7\nevil");
        assert_eq!(&event.to_bytes()[..], b"id: 7evil\nevent: chunk\ndata: one\ndata: two\ndata: three\n\n");
        assert_eq!(&Event::data("[DONE]").to_bytes()[..], b"data: [DONE]\n\n");
    }

    fn then_silence(piece: &'static [u8]) -> KeepAlive {
        let events = futures::stream::iter([Bytes::from_static(piece)]).chain(futures::stream::pending());
        KeepAlive::new(events, Duration::from_millis(1))
    }

    #[tokio::test]
    async fn silence_after_an_event_is_filled_with_comments() {
        let mut stream = then_silence(b"data: 1\n\n");
        assert_eq!(&stream.next().await.unwrap().unwrap()[..], b"data: 1\n\n");
        assert_eq!(stream.next().await.unwrap().unwrap(), KEEP_ALIVE);
        assert_eq!(stream.next().await.unwrap().unwrap(), KEEP_ALIVE);
    }

    #[tokio::test]
    async fn an_event_that_came_in_part_is_never_torn() {
        let mut stream = then_silence(b"data: {\"a\":");
        assert_eq!(&stream.next().await.unwrap().unwrap()[..], b"data: {\"a\":");
        assert!(tokio::time::timeout(Duration::from_millis(50), stream.next()).await.is_err());
    }

    #[tokio::test]
    async fn an_event_stream_is_neither_cached_nor_buffered() {
        let response = sse_response(futures::stream::empty());
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
    }
}

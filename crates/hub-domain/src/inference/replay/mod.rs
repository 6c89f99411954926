//! Streams that can be read again: what goes to the caller is also written to a log in the shared cache, event by event, so that
//! whoever owns it reads it again from any event, on any process, while it runs and for a while after its end.
//!
//! A stream is named by the receipt of its call, and its events are numbered from 1. The log is a convenience: it may be thrown away at any
//! moment, has a largest size, and never decides about money. It must never make the caller of the stream wait for the cache.

mod entry;
mod follow;
mod log;
mod record;

use std::fmt;
use std::str::FromStr;

use hub_types::HoldId;
use serde::{Deserialize, Serialize};

pub use entry::Preface;
pub use follow::{Followed, Interrupted, ResumeError, follow};
pub use record::{Ended, Ending, Patience, Plan, Recorder};

/// The place of one event in one stream, written `stream:number`. Number 0 is the place before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventId {
    /// The stream: the receipt of its call.
    pub stream: HoldId,
    /// The event's number, from 1.
    pub number: u64,
}

impl EventId {
    /// The place so many events further on.
    pub const fn plus(self, events: u64) -> Self {
        Self { stream: self.stream, number: self.number.saturating_add(events) }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.stream, self.number)
    }
}

/// A text that is no [`EventId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event id is a stream's id, a colon and a number")]
pub struct NoEventId;

impl FromStr for EventId {
    type Err = NoEventId;

    fn from_str(text: &str) -> Result<Self, NoEventId> {
        let (stream, number) = text.split_once(':').ok_or(NoEventId)?;
        let stream = HoldId(stream.parse().map_err(|_| NoEventId)?);
        Ok(Self { stream, number: number.parse().map_err(|_| NoEventId)? })
    }
}

/// How the events of a stream are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Server-sent events.
    Sse,
    /// Messages of the WebSocket.
    Socket,
}

/// The log's key in the cache, and the channel on which its growth is told.
fn log_key(stream: HoldId) -> String {
    format!("stream:{stream}")
}

/// The value that is there while somebody reads a log.
fn reader_key(stream: HoldId) -> String {
    format!("stream-reader:{stream}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_reads_back_and_nothing_else_is_one() {
        let id = EventId { stream: HoldId(uuid::Uuid::from_u128(7)), number: 12 };
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.plus(3).number, 15);
        for bad in ["", ":", "1:2", "00000000-0000-0000-0000-000000000007", "00000000-0000-0000-0000-000000000007:-1"] {
            assert_eq!(bad.parse::<EventId>(), Err(NoEventId), "{bad}");
        }
    }
}

//! Messages to the subscribers inside this process: one bounded broadcast per channel that someone listens to.
//!
//! A publisher never waits. A reader that falls more than [`BACKLOG`] messages behind loses the oldest ones and goes
//! on with the rest: a message here is a hint to look again, never the only carrier of a fact.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

use crate::CacheError;

/// Messages one slow reader may be behind before it loses some.
const BACKLOG: usize = 256;

/// Channels that may be listened to at once in one process.
const MOST_CHANNELS: usize = 16_384;

/// All channels of this process that have, or recently had, a subscriber.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    open: Mutex<HashMap<String, broadcast::Sender<Bytes>>>,
}

impl Channels {
    /// A stream of everything published on the channel from now on.
    pub(crate) fn subscribe(&self, channel: &str) -> Result<BoxStream<'static, Vec<u8>>, CacheError> {
        let mut open = self.lock();
        if open.len() >= MOST_CHANNELS {
            open.retain(|_, sender| sender.receiver_count() > 0);
        }
        if open.len() >= MOST_CHANNELS && !open.contains_key(channel) {
            return Err(CacheError::Full);
        }
        let sender = open.entry(channel.to_owned()).or_insert_with(|| broadcast::channel(BACKLOG).0);
        let messages = BroadcastStream::new(sender.subscribe());
        Ok(messages.filter_map(async |message| message.ok().map(|bytes| bytes.to_vec())).boxed())
    }

    /// Hands the message to every present subscriber; forgets the channel when there is none.
    pub(crate) fn publish(&self, channel: &str, message: Bytes) {
        let mut open = self.lock();
        if let Some(sender) = open.get(channel)
            && sender.send(message).is_err()
        {
            open.remove(channel);
        }
    }

    /// The channels that nobody in this process listens to any more.
    pub(crate) fn abandoned(&self) -> Vec<String> {
        let open = self.lock();
        open.iter().filter(|(_, sender)| sender.receiver_count() == 0).map(|(name, _)| name.clone()).collect()
    }

    /// Forgets these channels, except those that have a subscriber again.
    pub(crate) fn forget(&self, channels: &[String]) {
        let mut open = self.lock();
        for channel in channels {
            if open.get(channel).is_some_and(|sender| sender.receiver_count() == 0) {
                open.remove(channel);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, broadcast::Sender<Bytes>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_that_lags_loses_the_oldest_messages_and_then_reads_on() {
        let channels = Channels::default();
        let mut reader = channels.subscribe("c").unwrap();
        for number in 0..=BACKLOG {
            channels.publish("c", Bytes::from(number.to_string()));
        }
        assert_eq!(reader.next().await.unwrap(), b"1");
    }

    #[test]
    fn a_channel_without_readers_is_forgotten() {
        let channels = Channels::default();
        drop(channels.subscribe("a").unwrap());
        drop(channels.subscribe("b").unwrap());
        channels.publish("a", Bytes::from_static(b"to nobody"));
        assert_eq!(channels.abandoned(), ["b"]);
        channels.forget(&channels.abandoned());
        assert!(channels.abandoned().is_empty());
    }
}

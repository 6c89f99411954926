//! Messages from Redis to the subscribers in this process.
//!
//! However many subscribers a channel has here, Redis sends each message once, over the one connection. Messages
//! published while the connection is down are lost, as they are for a reader that lags.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use redis::aio::{AsyncPushSender, ConnectionManager, SendError};
use redis::{PushInfo, PushKind, Value};
use tokio::sync::Mutex;

use crate::CacheError;
use crate::channels::Channels;

#[derive(Default)]
pub(super) struct Messages {
    channels: Arc<Channels>,
    /// Held while the server's list of subscriptions changes, so that a channel which one caller finds abandoned is
    /// not given up in the moment another caller subscribes to it.
    changing: Mutex<()>,
}

impl Messages {
    /// Where the connection puts what the server pushes. It never waits.
    pub(super) fn receiver(&self) -> impl AsyncPushSender + use<> {
        let channels = Arc::clone(&self.channels);
        move |push: PushInfo| -> Result<(), SendError> {
            match (push.kind, <[Value; 2]>::try_from(push.data)) {
                (PushKind::Message, Ok([Value::BulkString(channel), Value::BulkString(message)])) => {
                    channels.publish(&String::from_utf8_lossy(&channel), Bytes::from(message));
                }
                (PushKind::Disconnection, _) => tracing::warn!("the connection to the cache was lost"),
                _ => {}
            }
            Ok(())
        }
    }

    /// Subscribes this process to the channel (harmless when it is already) and gives up the abandoned ones.
    pub(super) async fn subscribe(
        &self,
        mut connection: ConnectionManager,
        channel: String,
    ) -> Result<BoxStream<'static, Vec<u8>>, CacheError> {
        let _changing = self.changing.lock().await;
        // First the ear, then the mouth: from the server's word on, nothing is missed.
        let stream = self.channels.subscribe(&channel)?;
        connection.subscribe(&channel).await?;
        let abandoned = self.channels.abandoned();
        if !abandoned.is_empty() {
            connection.unsubscribe(&abandoned).await?;
            self.channels.forget(&abandoned);
        }
        Ok(stream)
    }
}

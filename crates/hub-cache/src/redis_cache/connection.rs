//! How the one connection is made: limits, keep-alive, and where its messages go.

use std::time::Duration;

use redis::aio::{AsyncPushSender, ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::{Client, IntoConnectionInfo, ProtocolVersion};

use super::DEADLINE;
use crate::CacheError;

/// Commands that may wait for the socket before a caller has to wait for a place.
const QUEUE: usize = 512;
/// Attempts per reconnection. After these the connection rests until the next command asks for it.
const RETRIES: usize = 4;
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// A connection that is made on first use and again after a loss, subscriptions included. Nothing is awaited here,
/// but it must be called inside a tokio runtime, which drives the connection.
pub(super) fn open(url: &str, messages: impl AsyncPushSender) -> Result<ConnectionManager, CacheError> {
    let info = url.into_connection_info().map_err(|_| CacheError::Url)?;
    let protocol = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let info = info.set_redis_settings(protocol).set_tcp_settings(TcpSettings::default().set_nodelay(true));
    let client = Client::open(info).map_err(|_| CacheError::Url)?;
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(DEADLINE))
        .set_response_timeout(Some(DEADLINE))
        .set_number_of_retries(RETRIES)
        .set_min_delay(SHORTEST_PAUSE)
        .set_max_delay(LONGEST_PAUSE)
        .set_pipeline_buffer_size(QUEUE)
        .set_push_sender(messages)
        .set_automatic_resubscription();
    Ok(ConnectionManager::new_lazy_with_config(client, config)?)
}

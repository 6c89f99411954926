//! Room in the channels between a provider and its caller: so many events, and of large ones a single one. Else a caller who reads slowly would
//! make the hub hold as many of the largest events as the channel has places.

use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::timeout;

/// An event of more bytes takes the whole channel: it is sent when nothing waits there.
const LARGE: usize = 256 * 1024;

/// Sends what holds so many bytes; `false` when nobody takes it in time.
pub(super) async fn send<T>(to: &Sender<T>, item: T, bytes: usize, patience: Duration) -> bool {
    if bytes > LARGE {
        let Ok(Ok(mut room)) = Box::pin(timeout(patience, to.reserve_many(to.max_capacity()))).await else {
            return false;
        };
        let Some(place) = room.next() else { return false };
        place.send(item);
        return true;
    }
    // Mostly there is room, and then no timer is needed.
    match to.try_send(item) {
        Ok(()) => true,
        Err(TrySendError::Closed(_)) => false,
        Err(TrySendError::Full(item)) => matches!(Box::pin(timeout(patience, to.send(item))).await, Ok(Ok(()))),
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_large_event_waits_until_nothing_else_does() {
        let (to, mut from) = mpsc::channel(3);
        let patience = Duration::from_millis(1);
        assert!(send(&to, 1, 1, patience).await);
        assert!(!send(&to, 2, LARGE + 1, patience).await, "something waits, and is not taken in time");
        assert!(send(&to, 3, LARGE, patience).await, "others have room");
        assert_eq!((from.recv().await, from.recv().await), (Some(1), Some(3)));
        assert!(send(&to, 4, LARGE + 1, patience).await);
        assert!(send(&to, 5, 1, patience).await, "small ones may follow it");
        assert!(!send(&to, 6, LARGE + 1, patience).await);
        drop(from);
        assert!(!send(&to, 7, 1, patience).await && !send(&to, 8, LARGE + 1, patience).await);
    }
}

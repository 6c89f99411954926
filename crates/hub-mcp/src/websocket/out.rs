//! The writing side of a socket: a bounded queue of frames, and the task that writes them and pings.
//!
//! A reader that is slower than its answers is felt by the calls behind them; nothing piles up. One that takes nothing for as long as a caller
//! may be slow is told so and closed; its calls are billed as those of a caller who hung up.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use bytes::Bytes;
use futures::SinkExt as _;
use futures::stream::SplitSink;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::protocol::McpFrame;

/// Pause between pings.
const PING: Duration = Duration::from_secs(20);
/// How long the last word may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// Where frames go: a channel to the task that writes.
#[derive(Clone)]
pub(super) struct Out {
    frames: mpsc::Sender<Message>,
    patience: Duration,
}

impl Out {
    pub(super) const fn new(frames: mpsc::Sender<Message>, patience: Duration) -> Self {
        Self { frames, patience }
    }

    /// `false`: the socket is gone, or does not take frames in time.
    pub(super) async fn frame(&self, frame: &McpFrame) -> bool {
        self.json(frame.to_json()).await
    }

    /// The same for text that is JSON already.
    pub(super) async fn json(&self, text: String) -> bool {
        self.send(Message::Text(text.into())).await
    }

    /// The last message.
    pub(super) async fn close(&self, goodbye: CloseFrame) {
        self.send(Message::Close(Some(goodbye))).await;
    }

    /// Waits until nothing is written any more.
    pub(super) async fn closed(&self) {
        self.frames.closed().await;
    }

    async fn send(&self, message: Message) -> bool {
        matches!(timeout(self.patience, self.frames.send(message)).await, Ok(Ok(())))
    }
}

/// Writes frames and pings until the channel closes, or the other side does not take them.
pub(super) async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut frames: mpsc::Receiver<Message>,
    patience: Duration,
) {
    let mut pings = tokio::time::interval_at(Instant::now() + PING, PING);
    loop {
        let message = tokio::select! {
            message = frames.recv() => match message {
                Some(message) => message,
                None => break,
            },
            _ = pings.tick() => Message::Ping(Bytes::new()),
        };
        let last = matches!(message, Message::Close(_));
        match timeout(patience, sink.send(message)).await {
            Ok(Ok(())) if !last => {}
            Ok(_) => break,
            Err(_) => {
                let goodbye = CloseFrame { code: close_code::POLICY, reason: "too slow".into() };
                drop(timeout(GOODBYE, sink.send(Message::Close(Some(goodbye)))).await);
                break;
            }
        }
    }
    // Nobody is to wait for the farewell of a socket that is not read.
    drop(frames);
    drop(timeout(GOODBYE, sink.close()).await);
}

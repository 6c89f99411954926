//! What a socket is told without having asked: that the balance of its owner became low.

use futures::StreamExt as _;
use futures::stream::BoxStream;
use hub_domain::Hub;
use hub_domain::credits::{self, LowBalance};
use hub_types::{Caller, TransactionId};
use serde::Serialize;

/// The news of one socket.
pub(super) struct Told {
    news: Option<BoxStream<'static, LowBalance>>,
    /// The last crossing that was told: one is told once.
    last: Option<TransactionId>,
}

/// The frame.
#[derive(Serialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    event: &'a LowBalance,
}

impl Told {
    /// Listens from now on.
    pub(super) async fn begin(hub: &Hub, caller: &Caller) -> Self {
        Self { news: credits::low_balances(hub, caller).await, last: None }
    }

    /// Listens again where that ended or never began.
    pub(super) async fn mend(&mut self, hub: &Hub, caller: &Caller) {
        if self.news.is_none() {
            self.news = credits::low_balances(hub, caller).await;
        }
    }

    /// Waits for the next crossing. Can be dropped and asked for again.
    pub(super) async fn next(&mut self) -> LowBalance {
        loop {
            let Some(news) = &mut self.news else { return std::future::pending().await };
            match news.next().await {
                Some(event) if self.last != Some(event.transaction_id) => {
                    self.last = Some(event.transaction_id);
                    return event;
                }
                Some(_) => {}
                None => self.news = None,
            }
        }
    }
}

/// The frame of a crossing; `None` for a caller who may not see its balance any more.
pub(super) async fn frame(hub: &Hub, caller: &Caller, event: &LowBalance) -> Option<String> {
    if !credits::may_be_told(hub, caller).await {
        return None;
    }
    serde_json::to_string(&Frame { kind: "balance_low", event }).ok()
}

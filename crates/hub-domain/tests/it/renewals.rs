//! Leases of running calls: renewed many at a time, each for itself.

use std::time::Duration;

use futures::future::join_all;
use hub_domain::credits::{self, Checkpoint};
use hub_domain::pricing::UnitPrices;
use hub_store::holds::{self, NewHold, Opened};
use hub_store::ledger::{self, Kind, Posting};
use hub_types::{Credits, HoldId, PriceId, TokenUsage, TransactionId, UserId};
use serde_json::json;

use crate::support::{TestHub, ada};

/// Credits for the member, as an administrator grants them.
async fn fund(test: &TestHub, user: UserId) {
    let mut tx = test.hub.store.write().await.unwrap();
    let id = TransactionId::new(&test.hub.clock);
    let posting = Posting {
        id,
        user,
        kind: Kind::Grant,
        amount: "1000".parse().unwrap(),
        key: format!("test:{id}"),
        request_hash: None,
        hold: None,
        actor: None,
        reason: "test".to_owned(),
        metadata: json!({}),
        at: test.hub.clock.now(),
    };
    ledger::post(&mut tx, &posting).await.unwrap().unwrap();
    tx.commit().await.unwrap();
}

fn checkpoint() -> Checkpoint {
    Checkpoint {
        route: "/v1/chat/completions".to_owned(),
        upstream_model: "sandbox".to_owned(),
        unit_prices: UnitPrices::default(),
        usage: TokenUsage::default(),
        attempts: 1,
    }
}

async fn open(test: &TestHub, user: UserId, owner: &str) -> HoldId {
    let clock = &test.hub.clock;
    let id = HoldId::new(clock);
    let hold = NewHold {
        id,
        user,
        api_key: None,
        request_id: "request".to_owned(),
        kind: "chat",
        amount: Credits::from_micro(1_000),
        price: PriceId::new(clock),
        service: "sandbox".to_owned(),
        provider: "sandbox".to_owned(),
        model: "sandbox".to_owned(),
        owner: owner.to_owned(),
        checkpoint: serde_json::to_value(checkpoint()).unwrap(),
        lease_until: clock.now() + Duration::from_mins(1),
        budgets: Vec::new(),
        at: clock.now(),
    };
    let mut tx = test.hub.store.write().await.unwrap();
    assert_eq!(holds::open(&mut tx, &hold).await.unwrap(), Opened::Yes);
    tx.commit().await.unwrap();
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_renewed_at_the_same_time_are_each_answered_for_their_own_hold() {
    let test = TestHub::start().await;
    test.member(&ada()).await;
    let caller = test.caller(&test.login(&ada()).await).await.unwrap();
    fund(&test, caller.user).await;
    let mut asked = Vec::new();
    for number in 0..300 {
        let owner = if number % 3 == 0 { "somebody else" } else { "test" };
        asked.push((open(&test, caller.user, owner).await, owner == "test"));
    }
    asked.push((HoldId::new(&test.hub.clock), false));
    test.advance(chrono::Duration::seconds(50));
    let data = checkpoint();
    let answers = join_all(asked.iter().map(|(id, _)| credits::checkpoint(&test.hub, *id, &data))).await;
    for ((id, ours), answer) in asked.iter().zip(answers) {
        assert_eq!(answer.unwrap(), *ours, "{id}");
    }
    // The first leases are over: what was renewed stays, what was not is swept.
    test.advance(chrono::Duration::seconds(20));
    credits::sweep_all(&test.hub).await.unwrap();
    let mut tx = test.hub.store.read().await.unwrap();
    let open = holds::count_open(&mut tx).await.unwrap();
    assert_eq!(usize::try_from(open).unwrap(), asked.iter().filter(|(_, ours)| *ours).count());
}

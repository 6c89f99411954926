//! Answers that are too large, never end, or stop half way: bounded memory, the right error, and a bill that is the provider's meter, or nothing
//! where the house pays.

use hub_clients::llm::OnHangup;
use hub_testkit::{Pair, TestHub, on_both_pairs};
use serde_json::{Value, json};

use super::upstream::{Play, USAGE, Upstream};
use super::{ask, balance, chat, hasty, micro, only_receipt, plain, priced, told};

const MIB: usize = 1024 * 1024;
/// What the machine's own buffers may take on the way, in bytes.
const BUFFERS: usize = 16 * MIB;

async fn hub_of(pair: Pair, upstream: &Upstream, patient: bool) -> TestHub {
    let builder = TestHub::builder(pair).settings(|settings| priced(settings, "up", "m", 1000));
    let provider =
        if patient { plain("up", &upstream.url) } else { hasty("up", &upstream.url, OnHangup::Cancel) };
    builder.provider(provider).start().await
}

on_both_pairs! {
    async fn an_answer_without_an_end_is_cut_at_its_limit_asked_for_once_and_free(pair: Pair) {
        for stream in [false, true] {
            let upstream = Upstream::plays([Play::Flood(100 * MIB)]).await;
            let hub = hub_of(pair, &upstream, true).await;
            let ada = hub.user("ada").await;
            let failed = chat(&hub, &ada, &ask("m", &json!({ "stream": stream }))).await.expect(502);
            assert_eq!(told(&failed.json()["error"]["details"]["attempts"]), ["up too_large"]);
            // What was generated is billed once, and the house pays.
            assert_eq!((upstream.billed(), &balance(&hub, &ada).await["balance"]), (USAGE, &json!(100)));
            let limit = hub_clients::llm::openai::ANSWER_LIMIT;
            assert!(upstream.flooded() <= limit + BUFFERS, "{} bytes were taken", upstream.flooded());
            hub.take_errors();
            hub.finish().await;
        }
    }

    async fn a_head_without_an_end_is_no_answer(pair: Pair) {
        let upstream = Upstream::plays(vec![Play::EndlessHead(100 * MIB); 3]).await;
        let hub = hub_of(pair, &upstream, true).await;
        let ada = hub.user("ada").await;
        let failed = chat(&hub, &ada, &ask("m", &json!({}))).await.expect(502);
        assert_eq!(told(&failed.json()["error"]["details"]["attempts"]), ["up connect"; 3]);
        assert_eq!((upstream.billed(), &balance(&hub, &ada).await["balance"]), ((0, 0), &json!(100)));
        assert!(upstream.flooded() <= 3 * BUFFERS, "{} bytes were taken", upstream.flooded());
        hub.take_errors();
        hub.finish().await;
    }

    async fn a_stream_that_becomes_nonsense_is_paid_as_far_as_it_made_sense(pair: Pair) {
        for play in [Play::EndlessEvent(100 * MIB), Play::GarbageEvent] {
            let upstream = Upstream::plays([play.clone()]).await;
            let hub = hub_of(pair, &upstream, true).await;
            let ada = hub.user("ada").await;
            let body = ask("m", &json!({ "stream": true }));
            let stream = hub.post("/v1/chat/completions").bearer(&ada.api_key).json(&body).stream().await;
            let events = stream.events().await;
            let last = &events.last().unwrap().data;
            assert!(last.contains("PROVIDER_ERROR"), "{play:?} {last}");
            let receipt = only_receipt(&hub, &ada).await;
            let usage = |name: &str| receipt["usage"][name].as_i64().unwrap();
            assert_eq!((usage("input"), usage("output")), upstream.billed(), "{play:?}");
            assert_eq!((&receipt["outcome"], upstream.requests().len()), (&json!("failed"), 1));
            let cost = (upstream.billed().0 + upstream.billed().1) * 1000;
            assert_eq!(micro(&balance(&hub, &ada).await["balance"]), 100_000_000 - cost);
            assert!(upstream.flooded() <= BUFFERS, "{} bytes were taken", upstream.flooded());
            hub.finish().await;
        }
    }

    async fn a_whole_answer_that_stops_half_way_is_given_up_not_asked_for_again_and_free(pair: Pair) {
        for play in [Play::StalledHead, Play::StalledBody, Play::Dribble] {
            let upstream = Upstream::plays([play.clone()]).await;
            let hub = hub_of(pair, &upstream, false).await;
            let ada = hub.user("ada").await;
            let failed = chat(&hub, &ada, &ask("m", &json!({}))).await.expect(502);
            assert_eq!(told(&failed.json()["error"]["details"]["attempts"]), ["up timeout"], "{play:?}");
            assert_eq!(upstream.requests().len(), 1, "{play:?}");
            assert_eq!((upstream.billed(), &balance(&hub, &ada).await["balance"]), (USAGE, &json!(100)));
            let receipt: Value = only_receipt(&hub, &ada).await;
            assert_eq!((&receipt["amount"], &receipt["outcome"]), (&json!(0), &json!("failed")));
            hub.take_errors();
            hub.finish().await;
        }
    }
}

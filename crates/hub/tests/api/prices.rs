//! The price book over HTTP: who may change it, what a change does to the next call, and receipts that compute again.

use chrono::Duration;
use hub_domain::credits::{self, Period};
use hub_domain::pricing::{self, ModelPrice};
use hub_testkit::{TestHub, on_both_pairs};
use serde_json::{Value, json};

fn sandbox(input: i64, output: i64) -> Value {
    json!({ "prices": [{ "service": "sandbox", "model": "sandbox", "input": input, "output": output, "maxOutputTokens": 16384, "contextTokens": 128_000 }] })
}

fn month() -> Period {
    let at = |text: &str| text.parse().expect("a time");
    Period { from: at("2026-11-01T00:00:00Z"), to: at("2026-12-01T00:00:00Z") }
}

on_both_pairs! {
    async fn a_new_price_holds_for_the_next_call_and_old_receipts_still_compute(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        let ask = || hub.post("/v1/chat/completions").bearer(&ada.api_key)
            .json(&json!({ "model": "sandbox", "messages": [{ "role": "user", "content": "hello" }] })).send();
        let before = ask().await.expect(200).header("x-hub-receipt").to_owned();
        hub.post("/api/admin/prices").bearer(&admin.access_token).json(&sandbox(30, 120)).send().await.expect(200);
        let after = ask().await.expect(200).header("x-hub-receipt").to_owned();
        let receipt = |id: String| { let (hub, ada) = (&hub, &ada); async move {
            hub.get(&format!("/api/credits/receipts/{id}")).bearer(&ada.access_token).send().await.expect(200).json()
        } };
        let (before, after) = (receipt(before).await, receipt(after).await);
        assert_ne!(before["priceId"], after["priceId"]);
        assert_eq!(after["unitPrices"]["input"], 30_000_000);
        assert_eq!(after["exactCost"].as_i64(), before["exactCost"].as_i64().map(|cost| cost * 2), "twice the price");

        let versions = hub.get("/api/admin/prices?service=sandbox&model=sandbox&state=all").bearer(&admin.access_token).send().await;
        assert_eq!(versions.expect(200).json()["total"], 2);
        let found = credits::recompute(&hub.hub.store, &hub.hub.prices, month()).await.expect("receipts");
        assert_eq!((found.receipts, found.differences), (2, 0), "{:?}", found.named);
        assert_eq!(found.charged, found.computed);
        hub.finish().await;
    }

    async fn a_price_of_the_settings_is_written_when_it_changes_and_not_at_each_start(pair: Pair) {
        let own = |context: Option<i64>| -> ModelPrice {
            let price = json!({ "service": "own", "model": "m", "input": 10, "output": 10, "context_tokens": context });
            serde_json::from_value(price).expect("a price")
        };
        let hub = TestHub::builder(pair).settings(|settings| settings.pricing.models.push(own(None))).start().await;
        let admin = hub.admin().await;
        let start = |context| { let hub = &hub; async move {
            let settings = pricing::Settings { models: vec![own(context)], ..pricing::Settings::default() };
            hub.advance(Duration::minutes(10));
            pricing::seed(&hub.hub.store, &hub.hub.prices, &settings, &hub.hub.clock).await.expect("a start");
            let price = hub.hub.prices.current("own", "m", hub.hub.clock.now()).expect("a price");
            (price.units.input / 1_000_000, price.context_tokens)
        } };
        assert_eq!(start(None).await, (10, None));
        // Somebody edits an export, which names the settings as its source.
        let dearer = json!({ "prices": [{ "service": "own", "model": "m", "input": 30, "output": 30, "source": "settings" }] });
        hub.post("/api/admin/prices").bearer(&admin.access_token).json(&dearer).send().await.expect(200);
        assert_eq!(start(None).await, (30, None), "an imported price was taken back");
        assert_eq!(start(Some(9_000)).await, (10, Some(9_000)), "the settings changed");
        assert_eq!(start(Some(9_000)).await, (10, Some(9_000)));
        assert_eq!(hub.hub.prices.all().iter().filter(|price| price.service == "own").count(), 3);
        hub.finish().await;
    }

    async fn an_import_of_a_price_for_a_while_writes_its_end(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let admin = hub.admin().await;
        let mut body = sandbox(30, 120);
        let usual = sandbox(15, 60)["prices"][0].clone();
        body["prices"].as_array_mut().expect("prices").push(usual);
        body["prices"][0]["validFrom"] = json!("2026-12-01T00:00:00Z");
        body["prices"][1]["validFrom"] = json!("2026-12-15T00:00:00Z");
        let import = || hub.post("/api/admin/prices").bearer(&admin.access_token).json(&body).send();
        assert_eq!(import().await.expect(200).json()["written"], 2);
        assert_eq!(import().await.expect(200).json()["written"], 0, "a repetition writes nothing");
        let input = |at: &str| hub.hub.prices.current("sandbox", "sandbox", at.parse().expect("a time")).map(|price| price.units.input);
        let inputs = ["2026-11-30T00:00:00Z", "2026-12-02T00:00:00Z", "2026-12-16T00:00:00Z"].map(input);
        assert_eq!(inputs, [Some(15_000_000), Some(30_000_000), Some(15_000_000)]);
        hub.finish().await;
    }

    async fn a_price_of_the_future_waits_for_its_time(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let admin = hub.admin().await;
        let mut body = sandbox(30, 120);
        body["prices"][0]["validFrom"] = json!("2026-12-01T00:00:00Z");
        hub.post("/api/admin/prices").bearer(&admin.access_token).json(&body).send().await.expect(200);
        let input = |state: &str| { let (hub, admin, path) = (&hub, &admin, format!("/api/admin/prices?service=sandbox&model=sandbox&state={state}")); async move {
            let page = hub.get(&path).bearer(&admin.access_token).send().await.expect(200).json();
            page["prices"].as_array().expect("prices").iter().map(|price| price["input"].clone()).collect::<Vec<_>>()
        } };
        assert_eq!((input("current").await, input("future").await), (vec![json!(15)], vec![json!(30)]));
        hub.advance(Duration::days(9));
        let mut admin = admin;
        hub.sign_in(&mut admin).await;
        let page = hub.get("/api/admin/prices?service=sandbox&model=sandbox").bearer(&admin.access_token).send().await.expect(200).json();
        assert_eq!(page["prices"][0]["input"], 30);
        hub.finish().await;
    }

    async fn what_cannot_be_a_price_is_named_and_nothing_is_written(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let admin = hub.admin().await;
        let refused = hub.post("/api/admin/prices").bearer(&admin.access_token).json(&sandbox(30_000, 120)).send().await.expect(400);
        let details = &refused.json()["error"]["details"];
        assert!(details["changes"][0]["unusual"][0].as_str().is_some_and(|odd| odd.contains("leaps")), "{details}");
        for body in [sandbox(-1, 1), json!({ "prices": [] }), json!({ "prices": [{ "service": "x" }] }), json!({})] {
            hub.post("/api/admin/prices").bearer(&admin.access_token).json(&body).send().await.expect(400);
        }
        let mut dry = sandbox(30, 120);
        dry["dryRun"] = json!(true);
        let told = hub.post("/api/admin/prices").bearer(&admin.access_token).json(&dry).send().await.expect(200).json();
        assert_eq!((&told["written"], &told["changes"][0]["kind"]), (&json!(0), &json!("changed")));
        let page = hub.get("/api/admin/prices?service=sandbox&model=sandbox&state=all").bearer(&admin.access_token).send().await.expect(200).json();
        assert_eq!(page["total"], 1);
        hub.finish().await;
    }

    async fn a_price_of_nothing_or_an_absurd_one_needs_leave(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let admin = hub.admin().await;
        let import = |body: Value| hub.post("/api/admin/prices").bearer(&admin.access_token).json(&body).send();
        let mut usual = sandbox(15, 60)["prices"][0].clone();
        usual["longContext"] = json!({ "above": 100_000, "inputPermille": 2000, "outputPermille": 1000 });
        usual["terms"] = json!({ "service_tier:flex": 500 });
        import(json!({ "prices": [usual] })).await.expect(200);
        for (field, value, told) in [
            ("output", json!(0), "output"),
            ("input", json!(0), "input"),
            ("videoSecond", json!({ "*": 900_000_000 }), "videoSecond.*"),
            ("terms", json!({ "service_tier:flex": 500_000 }), "terms.service_tier:flex"),
            ("longContext", json!({ "above": 100_000, "inputPermille": 2000, "outputPermille": 1_000_000 }), "longContext.outputPermille"),
            ("longContext", json!({ "above": 100, "inputPermille": 2000, "outputPermille": 1000 }), "longContext.above"),
        ] {
            let mut price = usual.clone();
            price[field] = value;
            let refused = import(json!({ "prices": [price] })).await.expect(400).json();
            let change = &refused["error"]["details"]["changes"][0];
            assert!(change["unusual"].to_string().contains(told), "{told}: {refused}");
            assert!(change["fields"].as_array().unwrap().iter().any(|change| change["field"] == told), "{told}: {refused}");
        }
        hub.advance(Duration::minutes(1));
        let mut free = usual.clone();
        free["output"] = json!(0);
        import(json!({ "prices": [free], "allowUnusual": true })).await.expect(200);
        hub.finish().await;
    }

    async fn a_price_that_was_read_can_be_sent_back_and_changes_nothing(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let admin = hub.admin().await;
        let full = json!({
            "service": "own", "model": "full", "source": "a page", "input": 15, "cacheRead": 1.5, "cacheWrite": 18, "cacheWriteLong": 30,
            "inputAudio": 40, "inputImage": 20, "output": 60, "reasoning": 61, "outputAudio": 80, "outputImage": 70, "request": 0.5,
            "videoSecond": { "720p": 10, "*": 30 }, "terms": { "service_tier:flex": 500, "speed:fast": 2000 },
            "longContext": { "above": 200_000, "inputPermille": 2000, "outputPermille": 1500 },
            "contextTokens": 1_000_000, "maxOutputTokens": 16_384, "validFrom": "2026-11-23T10:00:00Z",
        });
        let import = |body: Value| hub.post("/api/admin/prices").bearer(&admin.access_token).json(&body).send();
        import(json!({ "prices": [full] })).await.expect(200);
        let list = |query: &str| hub.get(&format!("/api/admin/prices?limit=100{query}")).bearer(&admin.access_token).send();
        let mut shown = list("&service=own").await.expect(200).json()["prices"][0].clone();
        assert!(shown["id"].is_string(), "{shown}");
        let sent_back = shown.clone();
        shown.as_object_mut().unwrap().remove("id");
        assert_eq!(shown, full);
        // The whole book, as it was read.
        let book = list("").await.expect(200).json()["prices"].clone();
        assert!(book.as_array().unwrap().contains(&sent_back));
        let told = import(json!({ "prices": book, "dryRun": true })).await.expect(200).json();
        for change in told["changes"].as_array().unwrap() {
            assert_eq!((&change["kind"], &change["fields"], &change["faults"], &change["unusual"]), (&json!("same"), &json!([]), &json!([]), &json!([])), "{change}");
        }
        // With the terms left out the dry run names them.
        let mut less = sent_back;
        less.as_object_mut().unwrap().remove("terms");
        let told = import(json!({ "prices": [less], "dryRun": true })).await.expect(200).json();
        let gone = |name: &str, from: i64| json!({ "field": name, "from": from, "to": null });
        assert_eq!(told["changes"][0]["fields"], json!([gone("terms.service_tier:flex", 500), gone("terms.speed:fast", 2000)]));
        hub.finish().await;
    }

    async fn the_book_is_read_in_pages_without_gaps(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let admin = hub.admin().await;
        let whole = hub.get("/api/admin/prices?limit=100").bearer(&admin.access_token).send().await.expect(200).json();
        let mut seen: Vec<Value> = Vec::new();
        let mut path = "/api/admin/prices?limit=7".to_owned();
        loop {
            let page = hub.get(&path).bearer(&admin.access_token).send().await.expect(200).json();
            seen.extend(page["prices"].as_array().expect("prices").iter().cloned());
            match page["nextCursor"].as_str() {
                Some(cursor) => path = format!("/api/admin/prices?limit=7&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!(&json!(seen), &whole["prices"]);
        assert!(seen.len() > 14);
        hub.finish().await;
    }
}

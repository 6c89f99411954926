//! Calls placed by the clock, and the check that all views of them agree.

use std::collections::BTreeMap;

use chrono::Duration;
use hub_domain::credits::{self, Charge, Outcome};
use hub_store::holds::NewHold;
use hub_testkit::{TestHub, TestUser};
use hub_types::{ApiKeyId, Credits, HoldId, Timestamp, TokenUsage, UsageSource};
use serde_json::{Value, json};

/// A call under way.
pub(super) struct Running {
    hold: HoldId,
    user: hub_types::UserId,
    /// What it will have consumed.
    pub(super) usage: TokenUsage,
}

/// Moves the clock forward to a moment.
pub(super) fn wait_until(hub: &TestHub, moment: &str) {
    let moment: Timestamp = moment.parse().unwrap();
    let by = moment - hub.clock().now();
    assert!(by >= Duration::zero(), "{moment} is over");
    hub.advance(by);
}

/// The id of a member's key.
pub(super) async fn key_of(hub: &TestHub, user: &TestUser) -> ApiKeyId {
    let found = hub.get("/api/keys").bearer(&user.access_token).send().await.expect(200).json();
    found["keys"][0]["id"].as_str().unwrap().parse().unwrap()
}

/// A call begins now. Its hold is swept `lease` later.
pub(super) async fn begin(
    hub: &TestHub,
    user: &TestUser,
    key: Option<ApiKeyId>,
    model: &str,
    tokens: i64,
    lease: Duration,
) -> Running {
    let now = hub.clock().now();
    let price = hub.hub.prices.current("sandbox", "sandbox", now).unwrap();
    let hold = HoldId::new(hub.clock());
    let checkpoint = json!({
        "route": "/v1/chat/completions", "upstreamModel": "sandbox", "unitPrices": price.units, "usage": {}, "attempts": 1,
    });
    let new = NewHold {
        id: hold,
        user: user.id,
        api_key: key,
        request_id: "r".to_owned(),
        kind: "chat",
        amount: Credits::whole(1),
        price: price.id,
        service: "sandbox".to_owned(),
        provider: "sandbox".to_owned(),
        model: model.to_owned(),
        owner: "test".to_owned(),
        checkpoint,
        lease_until: now + lease,
        budgets: Vec::new(),
        at: now,
    };
    credits::hold(&hub.hub, &new).await.unwrap();
    Running { hold, user: user.id, usage: TokenUsage { input: 10, output: tokens, ..TokenUsage::default() } }
}

/// The call ends now and is charged.
pub(super) async fn end(hub: &TestHub, call: Running) {
    let price = hub.hub.prices.current("sandbox", "sandbox", hub.clock().now()).unwrap();
    let charge = Charge {
        hold: call.hold,
        user: call.user,
        route: "/v1/chat/completions".to_owned(),
        upstream_model: "sandbox".to_owned(),
        upstream_id: None,
        units: price.units.clone(),
        usage: call.usage,
        source: UsageSource::Provider,
        outcome: Outcome::Completed,
        attempts: json!([]),
        attempt_count: 1,
        latency_ms: 5,
        first_token_ms: None,
    };
    credits::settle(&hub.hub, &charge).await.unwrap();
}

/// A whole call at this moment.
pub(super) async fn call(hub: &TestHub, user: &TestUser, key: Option<ApiKeyId>, model: &str, tokens: i64) {
    let running = begin(hub, user, key, model, tokens, Duration::minutes(1)).await;
    end(hub, running).await;
}

/// `GET` with this credential, as JSON.
pub(super) async fn get(hub: &TestHub, token: &str, path: &str) -> Value {
    hub.get(path).bearer(token).send().await.expect(200).json()
}

/// Micro-credits, from a decimal amount.
pub(super) fn micro(amount: &Value) -> i64 {
    let text = amount.as_str().map_or_else(|| amount.to_string(), str::to_owned);
    text.parse::<Credits>().unwrap().micro()
}

/// Calls, tokens and micro-credits.
pub(super) type Sum = (i64, i64, i64);

pub(super) fn sum(view: &Value) -> Sum {
    (view["calls"].as_i64().unwrap(), view["tokens"].as_i64().unwrap(), micro(&view["credits"]))
}

fn add(one: &mut Sum, other: Sum) {
    *one = (one.0 + other.0, one.1 + other.1, one.2 + other.2);
}

fn total(sums: impl IntoIterator<Item = Sum>) -> Sum {
    let mut all = Sum::default();
    sums.into_iter().for_each(|one| add(&mut all, one));
    all
}

/// All pages of the log.
pub(super) async fn all_logs(hub: &TestHub, token: &str, query: &str) -> Vec<Value> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(hub, token, &format!("/api/usage/logs?limit=7&{query}{cursor}")).await;
        rows.extend(page["logs"].as_array().unwrap().iter().cloned());
        assert_eq!(page["hasMore"], page["nextCursor"].is_string());
        let Some(next) = page["nextCursor"].as_str() else { return rows };
        cursor = format!("&cursor={next}");
    }
}

/// The export, as sums by local day.
async fn export(hub: &TestHub, token: &str, query: &str) -> BTreeMap<String, Sum> {
    let text = hub.get(&format!("/api/usage/export.csv?{query}")).bearer(token).send().await.expect(200).text();
    let mut days = BTreeMap::new();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let tokens: i64 = cells[11..16].iter().map(|cell| cell.parse::<i64>().unwrap()).sum();
        add(days.entry(cells[1][..10].to_owned()).or_default(), (1, tokens, micro(&json!(cells[17]))));
    }
    days
}

/// Tokens by class: a sum, wherever it stands.
type Classes = [i64; 5];
/// The names of the classes in sums and in the export.
const CLASSES: [&str; 5] = ["inputTokens", "cacheReadTokens", "cacheWriteTokens", "outputTokens", "reasoningTokens"];

pub(super) fn classes(view: &Value) -> Classes {
    CLASSES.map(|name| view[name].as_i64().unwrap())
}

fn total_classes(sums: impl IntoIterator<Item = Classes>) -> Classes {
    sums.into_iter().fold(Classes::default(), |all, one| std::array::from_fn(|class| all[class] + one[class]))
}

/// Asserts that every class of tokens is the same in the sums, the chart, the log and the export.
async fn classes_agree(hub: &TestHub, token: &str, query: &str) {
    let totals = classes(&get(hub, token, &format!("/api/usage/summary?{query}")).await["totals"]);
    let text = hub.get(&format!("/api/usage/export.csv?{query}")).bearer(token).send().await.expect(200).text();
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().unwrap();
    let columns = CLASSES.map(|class| names.iter().position(|name| *name == class).unwrap());
    let exported = lines.map(|cells| columns.map(|column| cells[column].parse().unwrap()));
    assert_eq!(total_classes(exported), totals, "export, {query}");
    let logged = all_logs(hub, token, query).await.into_iter().map(|row| {
        let of = |classes: &[&str]| classes.iter().map(|class| row["usage"][*class].as_i64().unwrap()).sum();
        [
            of(&["input", "inputAudio", "inputImage"]),
            of(&["cacheRead"]),
            of(&["cacheWrite", "cacheWriteLong"]),
            of(&["output", "outputAudio", "outputImage"]),
            of(&["reasoning"]),
        ]
    });
    assert_eq!(total_classes(logged), totals, "log, {query}");
    for (path, list) in [("breakdown?groupBy=model&limit=1", "groups"), ("timeseries?interval=day", "buckets")] {
        let found = get(hub, token, &format!("/api/usage/{path}&{query}")).await;
        assert_eq!(total_classes(found[list].as_array().unwrap().iter().map(classes)), totals, "{path}, {query}");
    }
}

/// Asks for everything in a range and asserts that all answers are the same calls; returns calls by local day.
pub(super) async fn agree(hub: &TestHub, token: &str, query: &str) -> BTreeMap<String, i64> {
    let totals = sum(&get(hub, token, &format!("/api/usage/summary?{query}")).await["totals"]);
    let days = export(hub, token, query).await;
    assert_eq!(total(days.values().copied()), totals, "export, {query}");
    let rows = all_logs(hub, token, query).await;
    let rows = rows.iter().map(|row| (1, row["tokens"].as_i64().unwrap(), micro(&row["credits"])));
    assert_eq!(total(rows), totals, "log, {query}");
    for group in ["model", "provider", "service", "key", "user"] {
        let found = get(hub, token, &format!("/api/usage/breakdown?groupBy={group}&limit=1&{query}")).await;
        assert_eq!(total(found["groups"].as_array().unwrap().iter().map(sum)), totals, "{group}, {query}");
        let found = get(hub, token, &format!("/api/usage/timeseries?groupBy={group}&{query}")).await;
        let series = found["series"].as_array().unwrap();
        assert_eq!(total(series.iter().map(|line| sum(&line["totals"]))), totals, "{group} over time, {query}");
        let credits = series.iter().flat_map(|line| line["credits"].as_array().unwrap());
        assert_eq!(credits.map(micro).sum::<i64>(), totals.2, "{group} over time, {query}");
    }
    for interval in ["hour", "month"] {
        let path = format!("/api/usage/timeseries?interval={interval}&{query}");
        let found = hub.get(&path).bearer(token).send().await;
        if interval == "hour" && found.text().contains("31 days") {
            continue;
        }
        let found = found.expect(200).json();
        assert_eq!(total(found["buckets"].as_array().unwrap().iter().map(sum)), totals, "{interval}, {query}");
    }
    let found = get(hub, token, &format!("/api/usage/timeseries?interval=day&{query}")).await;
    let buckets = found["buckets"].as_array().unwrap().iter();
    let buckets = buckets.map(|bucket| (bucket["start"].as_str().unwrap()[..10].to_owned(), sum(bucket)));
    let buckets: BTreeMap<String, Sum> = buckets.filter(|(_, sum)| sum.0 > 0).collect();
    classes_agree(hub, token, query).await;
    assert_eq!(buckets, days, "days, {query}");
    buckets.into_iter().map(|(day, sum)| (day, sum.0)).collect()
}

/// What the ledger took from an account for calls.
pub(super) async fn ledger(hub: &TestHub, token: &str) -> i64 {
    let (mut sum, mut cursor) = (0, String::new());
    loop {
        let page = get(hub, token, &format!("/api/credits/transactions?kind=usage&limit=100{cursor}")).await;
        sum -= page["transactions"].as_array().unwrap().iter().map(|row| micro(&row["amount"])).sum::<i64>();
        let Some(next) = page["nextCursor"].as_str() else { return sum };
        cursor = format!("&cursor={next}");
    }
}

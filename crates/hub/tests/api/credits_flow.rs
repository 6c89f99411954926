//! Lots, refunds, adjustments, filtered history and alerts of a low balance.

use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use chrono::Duration;
use futures::future::join_all;
use hub_domain::credits::expire_due;
use hub_testkit::{TestHub, TestResponse, TestUser, on_both_pairs};
use hub_types::Credits;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::promo::{balance, make, redeem};

/// Sends a body as the administrator.
pub(crate) async fn order(hub: &TestHub, admin: &TestUser, what: &str, body: &Value) -> TestResponse {
    hub.post(&format!("/api/credits/{what}")).bearer(&admin.access_token).json(body).send().await
}

/// Takes credits from somebody.
pub(crate) async fn charge(hub: &TestHub, admin: &TestUser, user: &TestUser, amount: impl serde::Serialize) -> Value {
    let body = json!({ "userId": user.id, "amount": amount, "reason": "service" });
    order(hub, admin, "deduct", &body).await.expect(200).json()
}

async fn history(hub: &TestHub, user: &TestUser, query: &str) -> Value {
    hub.get(&format!("/api/credits/transactions?{query}")).bearer(&user.access_token).send().await.expect(200).json()
}

async fn grants(hub: &TestHub, user: &TestUser) -> Vec<(Value, Value)> {
    let found = hub.get("/api/credits/grants").bearer(&user.access_token).send().await.expect(200).json();
    let rows = found["grants"].as_array().unwrap().iter();
    rows.map(|grant| (grant["category"].clone(), grant["remaining"].clone())).collect()
}

/// A message as it arrived.
type Message = (HeaderMap, String);

/// Somebody's own server.
struct Receiver {
    url: String,
    messages: Arc<Mutex<Vec<Message>>>,
    _server: JoinSet<()>,
}

async fn take(State(messages): State<Arc<Mutex<Vec<Message>>>>, headers: HeaderMap, body: String) -> StatusCode {
    messages.lock().unwrap().push((headers, body));
    StatusCode::NO_CONTENT
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let messages = Arc::new(Mutex::new(Vec::new()));
        let router = Router::new().route("/hook", post(take)).with_state(Arc::clone(&messages));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, messages, _server: server }
    }
}

on_both_pairs! {
    async fn lots_are_spent_in_order_and_the_balance_tells_what_runs_out(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user_with_credits("ada", Credits::whole(10)).await, hub.admin().await);
        let grant = |amount: i32, category: &str, end: &str| {
            json!({ "userId": ada.id, "amount": amount, "reason": "gift", "category": category, "expiresAt": end })
        };
        order(&hub, &admin, "grant", &grant(20, "purchase", "2026-12-01T00:00:00Z")).await.expect(200);
        order(&hub, &admin, "grant", &grant(30, "promo", "2026-11-25T00:00:00Z")).await.expect(200);
        order(&hub, &admin, "grant", &grant(40, "promo", "2026-12-01T00:00:00Z")).await.expect(200);
        order(&hub, &admin, "grant", &json!({ "userId": ada.id, "amount": 5, "reason": "gift", "category": "bonus" })).await.expect(200);
        let lots = |amounts: [i32; 4]| {
            let all = ["promo", "promo", "purchase", "bonus"].into_iter().zip(amounts);
            all.filter(|(_, left)| *left > 0).map(|(word, left)| (json!(word), json!(left))).collect::<Vec<_>>()
        };
        assert_eq!(grants(&hub, &ada).await, lots([30, 40, 20, 5]));
        let soon = balance(&hub, &ada).await;
        assert_eq!(soon["expiringSoon"]["amount"], 30);
        assert!(soon["expiringSoon"]["firstAt"].as_str().unwrap().starts_with("2026-11-25T00:00:00"));
        assert_eq!((&soon["spendable"], &soon["available"]), (&json!(105), &json!(105)));

        charge(&hub, &admin, &ada, 35).await;
        assert_eq!(grants(&hub, &ada).await, lots([0, 35, 20, 5]));
        charge(&hub, &admin, &ada, 40).await;
        assert_eq!(grants(&hub, &ada).await, lots([0, 0, 15, 5]));
        assert_eq!(balance(&hub, &ada).await["expiringSoon"], json!({ "amount": 0 }));
        charge(&hub, &admin, &ada, 25).await;
        assert_eq!(grants(&hub, &ada).await, []);
        assert_eq!(balance(&hub, &ada).await["balance"], 5);

        let path = format!("/api/credits/grants?userId={}", admin.id);
        hub.get(&path).bearer(&ada.access_token).send().await.expect(404);
        for wrong in [grant(1, "theft", "2026-12-01T00:00:00Z"), grant(1, "promo", "2026-11-23T10:00:00Z")] {
            order(&hub, &admin, "grant", &wrong).await.expect(400);
        }
        hub.finish().await;
    }

    async fn many_rounds_at_once_take_back_what_ran_out_once(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let sibling = hub.sibling().await;
        let (mut ada, admin) = (hub.user("ada").await, hub.admin().await);
        make(&hub, &admin, &json!({ "code": "SHORT", "credits": 50, "creditsExpireDays": 3 })).await;
        let done = redeem(&hub, &ada, "short").await.expect(200).json();
        assert!(done["expiresAt"].as_str().unwrap().starts_with("2026-11-26T10:00:00"));
        charge(&hub, &admin, &ada, 20).await;
        hub.advance(Duration::days(3));
        hub.sign_in(&mut ada).await;
        let rounds = (0..20).map(|n| expire_due(if n % 2 == 0 { &hub.hub } else { &sibling.hub }));
        assert!(join_all(rounds).await.iter().all(Result::is_ok));
        let rows = history(&hub, &ada, "kind=expiry").await;
        assert_eq!((&rows["total"], &rows["transactions"][0]["amount"]), (&json!(1), &json!(-30)));
        assert_eq!(balance(&hub, &ada).await["balance"], 100);
        sibling.finish().await;
        hub.finish().await;
    }

    async fn a_grant_with_an_end_is_repeatable_by_its_key(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        let send = |end: &str| {
            let body = json!({ "userId": ada.id, "amount": 5, "reason": "gift", "expiresAt": end });
            hub.post("/api/credits/grant").bearer(&admin.access_token).header("idempotency-key", "g").json(&body).send()
        };
        let answers = join_all((0..20).map(|_| send("2026-12-01T00:00:00Z"))).await;
        assert!(answers.iter().all(|answer| answer.expect_same() == answers[0].expect_same()));
        send("2026-12-02T00:00:00Z").await.expect(409);
        assert_eq!(grants(&hub, &ada).await.len(), 1);
        assert_eq!(balance(&hub, &ada).await["balance"], 105);
        hub.finish().await;
    }

    async fn a_refund_by_key_is_repeatable_and_parts_add_up(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        let paid = charge(&hub, &admin, &ada, 40).await;
        let part = json!({ "transactionId": paid["transactionId"], "amount": 15, "reason": "half of it failed" });
        let send = |body: &Value| hub.post("/api/credits/refund").bearer(&admin.access_token).header("idempotency-key", "r").json(body).send();
        let answers = join_all((0..20).map(|_| send(&part))).await;
        assert!(answers.iter().all(|answer| answer.expect_same() == answers[0].expect_same()));
        let other = json!({ "transactionId": paid["transactionId"], "amount": 16, "reason": "half of it failed" });
        assert_eq!(send(&other).await.expect(409).error_code(), "IDEMPOTENCY_CONFLICT");
        let row = answers[0].expect_same();
        assert_eq!((&row["kind"], &row["balanceAfter"], &row["metadata"]["reverses"]), (&json!("refund"), &json!(75), &paid["transactionId"]));
        let more = json!({ "transactionId": paid["transactionId"], "amount": 25.000_001, "reason": "too much" });
        order(&hub, &admin, "refund", &more).await.expect(409);
        let rest = json!({ "transactionId": paid["transactionId"], "reason": "the rest" });
        assert_eq!(order(&hub, &admin, "refund", &rest).await.expect(200).json()["amount"], 25);
        assert_eq!(balance(&hub, &ada).await["balance"], 100);
        hub.finish().await;
    }

    async fn an_adjustment_never_takes_what_is_not_there(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        let adjust = |amount: Value| json!({ "userId": ada.id, "amount": amount, "reason": "counted again" });
        assert_eq!(order(&hub, &admin, "adjust", &adjust(json!(-100.5))).await.expect(402).error_code(), "INSUFFICIENT_CREDITS");
        order(&hub, &admin, "adjust", &adjust(json!(0))).await.expect(400);
        let answers = join_all((0..20).map(|_| async { order(&hub, &admin, "adjust", &adjust(json!(-30))).await })).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 3);
        let row = order(&hub, &admin, "adjust", &adjust(json!(2.5))).await.expect(200).json();
        assert_eq!((&row["kind"], &row["type"], &row["balanceAfter"]), (&json!("adjustment"), &json!("credit"), &json!(12.5)));
        let key = |amount: Value| {
            let request = hub.post("/api/credits/adjust").bearer(&admin.access_token).header("idempotency-key", "a");
            request.json(&adjust(amount)).send()
        };
        assert_eq!(key(json!(1)).await.expect(200).json(), key(json!(1)).await.expect(200).json());
        key(json!(2)).await.expect(409);
        let stranger = json!({ "userId": hub_types::UserId::new(hub.clock()), "amount": 1, "reason": "nobody" });
        order(&hub, &admin, "adjust", &stranger).await.expect(404);
        hub.finish().await;
    }

    async fn history_is_filtered_summed_and_exported(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (mut ada, mut admin) = (hub.user("ada").await, hub.admin().await);
        charge(&hub, &admin, &ada, 10).await;
        hub.advance(Duration::hours(2));
        hub.sign_in(&mut ada).await;
        hub.sign_in(&mut admin).await;
        let formula = json!({ "userId": ada.id, "amount": 25, "reason": "=HYPERLINK(\"evil\") 100%" });
        order(&hub, &admin, "deduct", &formula).await.expect(200);
        let chat = json!({ "model": "sandbox", "messages": [{ "role": "user", "content": "hi" }] });
        let called = hub.post("/v1/chat/completions").bearer(&ada.api_key).json(&chat).send().await.expect(200);
        let receipt = hub.get(&format!("/api/credits/receipts/{}", called.header("x-hub-receipt"))).bearer(&ada.access_token).send().await.json();

        let all = history(&hub, &ada, "").await;
        assert_eq!((&all["total"], &all["credited"]), (&json!(4), &json!(100)));
        for (query, total, credited, debited) in [
            ("direction=credit", 1, 100, 0),
            ("direction=debit&minAmount=10", 2, 0, 35),
            ("minAmount=25", 2, 100, 25),
            ("from=2026-11-23T11:00:00Z&minAmount=1", 1, 0, 25),
            ("to=2026-11-23T11:00:00Z", 2, 100, 10),
            ("q=100%25", 1, 0, 25),
            ("q=HYPERlink", 1, 0, 25),
            ("kind=refund", 0, 0, 0),
        ] {
            let found = history(&hub, &ada, query).await;
            assert_eq!((&found["total"], &found["credited"], &found["debited"]), (&json!(total), &json!(credited), &json!(debited)), "{query}");
            assert_eq!(found["transactions"].as_array().unwrap().len(), total, "{query}");
        }
        let by_request = history(&hub, &ada, &format!("q={}", receipt["requestId"].as_str().unwrap())).await;
        assert_eq!((&by_request["total"], &by_request["transactions"][0]["receiptId"]), (&json!(1), &receipt["id"]));
        for wrong in ["direction=up", "minAmount=x", "minAmount=-1", "q=", "from=2026-11-24T00:00:00Z&to=2026-11-23T00:00:00Z"] {
            hub.get(&format!("/api/credits/transactions?{wrong}")).bearer(&ada.access_token).send().await.expect(400);
        }

        let export = |query: &str| hub.get(&format!("/api/credits/transactions/export.csv{query}")).bearer(&ada.access_token).send();
        let csv = export("").await.expect(200).text();
        assert_eq!(csv.lines().count(), 5);
        assert!(csv.contains("\"'=HYPERLINK(\"\"evil\"\") 100%\""), "{csv}");
        // Amounts are numbers, also those that were taken.
        let amounts: Vec<f64> = csv.lines().skip(1).map(|line| line.split(',').nth(4).unwrap().parse().unwrap()).collect();
        let shown = all["transactions"].as_array().unwrap().iter().map(|row| row["amount"].as_f64().unwrap());
        assert_eq!(amounts, shown.collect::<Vec<_>>());
        assert_eq!(amounts.iter().filter(|amount| **amount < 0.0).count(), 3, "{csv}");
        assert_eq!(export("?direction=credit").await.expect(200).text().lines().count(), 2);
        export(&format!("?userId={}", admin.id)).await.expect(404);
        hub.finish().await;
    }

    async fn a_reason_is_found_in_whatever_case_it_is_typed(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        for reason in ["Überweisung 7", "École", "plain"] {
            let body = json!({ "userId": ada.id, "amount": 1, "reason": reason });
            order(&hub, &admin, "grant", &body).await.expect(200);
        }
        for text in ["%C3%9Cberweisung", "%C3%BCberweisung", "%C3%9CBERWEISUNG", "%C3%89COLE", "%C3%A9cole", "PLAIN"] {
            assert_eq!(history(&hub, &ada, &format!("q={text}")).await["total"], 1, "{text}");
        }
        assert_eq!(history(&hub, &ada, "q=ecole").await["total"], 0);
        hub.finish().await;
    }

    async fn a_fall_below_the_threshold_is_told_once(pair: Pair) {
        let receiver = Receiver::start().await;
        let hub = TestHub::builder(pair).settings(|settings| settings.credits.webhooks_to_private_addresses = true).start().await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        let set = |body: Value| hub.put("/api/credits/alerts").bearer(&ada.access_token).json(&body).send();
        let wanted = json!({ "lowBalanceAt": 50, "webhookUrl": receiver.url });
        let secret = set(wanted.clone()).await.expect(200).json()["webhookSecret"].as_str().unwrap().to_owned();
        assert!(set(wanted.clone()).await.expect(200).json().get("webhookSecret").is_none(), "shown once");
        let shown = hub.get("/api/credits/alerts").bearer(&ada.access_token).send().await.expect(200).json();
        assert_eq!(shown, wanted);

        let before = hub.mails().await.len();
        charge(&hub, &admin, &ada, 50).await;
        assert_eq!(hub.mails().await.len(), before, "50 is not below 50");
        join_all((0..20).map(|_| charge(&hub, &admin, &ada, 1))).await;
        let mails = hub.mails().await;
        assert_eq!(mails.len(), before + 1);
        let mail = mails.last().unwrap();
        assert_eq!((&mail.to, mail.subject.contains("low")), (&ada.email, true));
        assert!(mail.text.starts_with("49 credits are left, which is below 50"), "{}", mail.text);

        let messages = receiver.messages.lock().unwrap().clone();
        assert_eq!(messages.len(), 1);
        let (headers, body) = &messages[0];
        assert_eq!(headers["x-hub-event"], "credits.balance_low");
        let told: Value = serde_json::from_str(body).unwrap();
        assert_eq!((&told["userId"], &told["balance"], &told["lowBalanceAt"]), (&json!(ada.id), &json!(49), &json!(50)));
        let signature = headers["x-hub-signature"].to_str().unwrap();
        let (seconds, tag) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = data_encoding::HEXLOWER.decode(tag.as_bytes()).unwrap();
        assert!(hmac::verify(&key, format!("{seconds}.{body}").as_bytes(), &tag).is_ok());

        // Up and down again: another message, but no second mail within the hour.
        hub.grant(ada.id, Credits::whole(100)).await;
        charge(&hub, &admin, &ada, 90).await;
        assert_eq!(hub.mails().await.len(), before + 1);
        assert_eq!(receiver.messages.lock().unwrap().len(), 2);
        // Switched off.
        set(json!({})).await.expect(200);
        hub.grant(ada.id, Credits::whole(100)).await;
        charge(&hub, &admin, &ada, 120).await;
        assert_eq!((hub.mails().await.len(), receiver.messages.lock().unwrap().len()), (before + 1, 2));
        hub.finish().await;
    }

    async fn a_webhook_does_not_lead_inside(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        for url in ["http://example.com/", "https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/", "https://localhost/", "nonsense"] {
            let body = json!({ "lowBalanceAt": 1, "webhookUrl": url });
            let refused = hub.put("/api/credits/alerts").bearer(&ada.access_token).json(&body).send().await.expect(400);
            assert_eq!(refused.json()["error"]["details"][0]["field"], "webhookUrl", "{url}");
        }
        hub.put("/api/credits/alerts").bearer(&ada.access_token).json(&json!({ "lowBalanceAt": 0 })).send().await.expect(400);
        hub.finish().await;
    }
}

/// The body of an answer that must be the same each time.
trait ExpectSame {
    fn expect_same(&self) -> Value;
}

impl ExpectSame for TestResponse {
    fn expect_same(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }
}

//! The ledger under load: no update is lost, a key acts once, and what is admitted is exactly what is affordable.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use hub_domain::Origin;
use hub_domain::credits::{self, Deduct, Grant};
use hub_testkit::{TestHub, on_both_pairs};
use hub_types::{Caller, Credential, Credits, Permission, RateTier, UserId, UserLimits};
use serde_json::{Value, json};

/// A service that bills something of its own.
pub(crate) fn service(hub: &TestHub) -> Caller {
    Caller {
        user: UserId::new(hub.clock()),
        email: "billing@example.com".parse().unwrap(),
        name: String::new(),
        roles: Arc::default(),
        permissions: [Permission::CreditsUpdate, Permission::CreditsGrant].map(|one| one.name().to_owned()).into(),
        verified: true,
        credential: Credential::Operator,
        models: Arc::default(),
        line: None,
        budgets: Arc::default(),
        limits: UserLimits::default(),
        acting: None,
        tier: RateTier::Manager,
        address: None,
    }
}

fn spend(user: UserId, amount: i32, key: Option<String>) -> Deduct {
    Deduct { user, amount: Credits::whole(amount), reason: "test".to_owned(), metadata: json!({}), key }
}

fn deduction(user: UserId, amount: i32) -> Value {
    json!({ "userId": user, "amount": amount, "reason": "test" })
}

on_both_pairs! {
    async fn credit_01_no_update_is_lost_on_one_account(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user_with_credits("ada", Credits::whole(100_000)).await, hub.admin().await);
        let client = async |_| {
            for _ in 0..50 {
                let request = hub.post("/api/credits/deduct").bearer(&admin.access_token).json(&deduction(ada.id, 7));
                request.send().await.expect(200);
            }
        };
        join_all((0..64).map(client)).await;
        let balance = hub.get("/api/credits/balance").bearer(&ada.access_token).send().await.expect(200).json();
        assert_eq!(balance["balance"], 100_000 - 22_400);
        let history = hub.get("/api/credits/transactions?limit=1").bearer(&ada.access_token).send().await.expect(200).json();
        assert_eq!(history["total"], 1 + 3_200);
        // That every running balance is exact is what `finish` checks.
        hub.finish().await;
    }

    async fn a_grant_and_its_audit_row_are_written_together_or_not_at_all(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        let (caller, origin) = (service(&hub), Origin::default());
        let trail = async || {
            let page = hub.get("/api/admin/audit?action=credits.granted&limit=100").bearer(&admin.access_token).send().await;
            page.expect(200).json()["entries"].as_array().unwrap().len()
        };
        let before = trail().await;
        for patience in 0..60 {
            let input = Grant { user: ada.id, amount: Credits::whole(1), reason: "test".to_owned(), key: None };
            let mut grant = Box::pin(credits::grant(&hub.hub, &caller, &origin, input));
            // Whoever asked goes away after so many steps.
            for _ in 0..patience * patience * patience / 10 {
                if futures::poll!(&mut grant).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        // A commit that was under way when its caller went away may still arrive: with both its rows.
        for look in 0.. {
            let rows = hub.get("/api/credits/transactions?kind=grant").bearer(&ada.access_token).send().await.expect(200).json();
            let given = usize::try_from(rows["credited"].as_i64().unwrap() - 100).unwrap();
            let noted = trail().await - before;
            if given == noted {
                break;
            }
            assert!(look < 100, "{given} given, {noted} noted");
        }
        hub.finish().await;
    }

    async fn credit_03_a_replayed_key_acts_once_and_answers_the_same(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user_with_credits("ada", Credits::whole(100)).await, hub.admin().await);
        let body = deduction(ada.id, 7);
        let request = |hub: &TestHub| {
            hub.post("/api/credits/deduct").bearer(&admin.access_token).header("idempotency-key", "k1").json(&body).send()
        };
        let mut answers: Vec<Value> = Vec::new();
        for answer in join_all((0..50).map(|_| request(&hub))).await {
            answers.push(answer.expect(200).json());
        }
        // A second process with no memory of the first one, as after a restart.
        let restarted = hub.sibling().await;
        answers.push(request(&restarted).await.expect(200).json());
        let different: BTreeSet<String> = answers.iter().map(Value::to_string).collect();
        assert_eq!(different.len(), 1, "{different:?}");
        let other = hub.post("/api/credits/deduct").bearer(&admin.access_token).header("idempotency-key", "k1");
        other.json(&deduction(ada.id, 8)).send().await.expect(409);
        let balance = hub.get("/api/credits/balance").bearer(&ada.access_token).send().await.expect(200).json();
        assert_eq!(balance["balance"], 93);
        restarted.finish().await;
        hub.finish().await;
    }

    async fn credit_05_a_key_belongs_to_its_account_and_sender(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, bob, admin) = (hub.user("ada").await, hub.user("bob").await, hub.admin().await);
        let send = async |user: UserId| {
            let request = hub.post("/api/credits/deduct").bearer(&admin.access_token).header("idempotency-key", "same");
            request.json(&deduction(user, 7)).send().await.expect(200).json()
        };
        let (of_ada, of_bob) = (send(ada.id).await, send(bob.id).await);
        assert_ne!(of_ada["transactionId"], of_bob["transactionId"]);
        // Another sender's key of the same name is another key, on the same account.
        let sent = credits::deduct(&hub.hub, &service(&hub), spend(ada.id, 7, Some("same".to_owned()))).await.unwrap();
        assert_ne!(of_ada["transactionId"], json!(sent.transaction));
        assert_eq!(sent.new_balance, Credits::whole(100 - 14));
        hub.finish().await;
    }

    async fn a_thousand_spends_over_three_hubs_are_admitted_exactly_as_far_as_the_credits_go(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user_with_credits("ada", Credits::whole(1_000)).await;
        let (second, third) = (hub.sibling().await, hub.sibling().await);
        let service = Arc::new(service(&hub));
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..1_000_usize {
            let one = Arc::clone(&[&hub, &second, &third][number % 3].hub);
            let (service, user) = (Arc::clone(&service), ada.id);
            tasks.spawn(async move { credits::deduct(&one, &service, spend(user, 3, None)).await.is_ok() });
        }
        let admitted = tasks.join_all().await.into_iter().filter(|admitted| *admitted).count();
        assert_eq!(admitted, 333);
        let balance = hub.get("/api/credits/balance").bearer(&ada.access_token).send().await.expect(200).json();
        assert_eq!(balance["balance"], 1);
        for hub in [second, third, hub] {
            hub.finish().await;
        }
    }

    async fn one_impossible_movement_does_not_fail_those_it_was_batched_with(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, rich) = (hub.user("ada").await, hub.user("rich").await);
        let service = service(&hub);
        // The most an account may hold: one more is refused by the database, after the batch was decided.
        let give = async |user, credits: i32| {
            let grant = Grant { user, amount: Credits::whole(credits), reason: "test".to_owned(), key: None };
            credits::grant(&hub.hub, &service, &Origin::default(), grant).await.is_ok()
        };
        assert!(give(rich.id, 999_999_000).await);
        let movements = (0..60).map(|number| if number % 10 == 3 { give(rich.id, 999_999) } else { give(ada.id, 1) });
        let done = join_all(movements).await;
        assert_eq!(done.iter().filter(|done| !**done).count(), 6);
        let balance = hub.get("/api/credits/balance").bearer(&ada.access_token).send().await.expect(200).json();
        assert_eq!(balance["balance"], 100 + 54);
        hub.finish().await;
    }

    async fn the_books_balance_and_the_fast_check_says_so_too(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        hub.post("/api/credits/deduct").bearer(&admin.access_token).json(&deduction(ada.id, 30)).send().await.expect(200);
        let ask = async |query: &str| {
            let path = format!("/api/admin/ledger{query}");
            hub.get(&path).bearer(&admin.access_token).send().await.expect(200).json()
        };
        let (full, fast) = (ask("").await, ask("?fast=true").await);
        assert_eq!((&full["clean"], &fast["clean"]), (&json!(true), &json!(true)));
        assert!(fast["checks"].as_array().unwrap().len() < full["checks"].as_array().unwrap().len());
        assert_eq!(full["books"], fast["books"]);
        let books = full["books"].as_array().unwrap();
        let total = |account: &str| books.iter().find(|entry| entry["account"] == account).unwrap()["total"].clone();
        assert_eq!((total("members"), total("promotions"), total("revenue")), (json!(170), json!(-200), json!(30)));
        hub.finish().await;
    }
}

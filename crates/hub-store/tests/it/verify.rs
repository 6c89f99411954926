//! What the check of the money finds: one number is changed as nobody may, and its owner is named.

use chrono::Duration;
use hub_store::grants::{self, Category, NewLot};
use hub_store::ledger::{self, Kind, Posting};
use hub_store::orders::{self, NewOrder};
use hub_store::promo::{self, PromoCode};
use hub_store::reversals::{self, NewReversal};
use hub_store::{Store, Tx, verify_lots, verify_orders, verify_promo, verify_sums};
use hub_types::{Credits, GrantId, OrderId, PromoCodeId, TransactionId, UserId};
use serde_json::{Value, json};

use crate::audit::execute;
use crate::money::account;
use crate::support::{clock, now};
use crate::usage::{call, close, put, quarter};

fn posting(user: UserId, kind: Kind, credits: i32, key: &str, metadata: Value) -> Posting {
    Posting {
        id: TransactionId::new(&clock()),
        user,
        kind,
        amount: Credits::whole(credits),
        key: key.to_owned(),
        request_hash: None,
        hold: None,
        actor: None,
        reason: "test".to_owned(),
        metadata,
        at: now(),
    }
}

async fn lot(tx: &mut Tx, user: UserId, credits: i32) -> GrantId {
    let given = posting(user, Kind::Grant, credits, "lot", json!({ "category": "promo" }));
    let id = GrantId::new(&clock());
    ledger::post(tx, &given).await.unwrap().unwrap();
    let new = NewLot {
        id,
        user,
        source: given.id,
        category: Category::Promo,
        priority: 50,
        amount: given.amount,
        at: now(),
        expires_at: Some(now() + Duration::days(1)),
    };
    grants::insert(tx, &new).await.unwrap();
    id
}

async fn redeemed(tx: &mut Tx, user: UserId) {
    let code = PromoCode {
        id: PromoCodeId::new(&clock()),
        code: "CODE".to_owned(),
        credits: Credits::whole(5),
        max_uses: None,
        max_uses_per_user: 1,
        used_count: 0,
        active: true,
        starts_at: None,
        expires_at: None,
        credits_expire_days: None,
        rules: json!({}),
        batch: None,
        created_at: now(),
        created_by: None,
    };
    assert!(promo::insert(tx, &code).await.unwrap());
    promo::take(tx, "CODE", now()).await.unwrap().unwrap();
    let given = posting(user, Kind::Promo, 5, "promo:1", json!({ "expiresAt": null }));
    ledger::post(tx, &given).await.unwrap().unwrap();
    assert_eq!(promo::redeem(tx, code.id, user, given.id, now()).await.unwrap(), Some(1));
}

async fn bought(tx: &mut Tx, user: UserId) -> OrderId {
    let order = NewOrder {
        id: OrderId::new(&clock()),
        user,
        package: "small",
        name: "500 credits",
        credits: Credits::whole(500),
        price_minor: 1000,
        currency: "usd",
        provider: "stripe",
        key: None,
        at: now(),
    };
    assert!(orders::insert(tx, &order).await.unwrap());
    assert!(orders::paid(tx, order.id, "cs", "pi", now()).await.unwrap());
    ledger::post(tx, &posting(user, Kind::Purchase, 500, "stripe:pi", json!({}))).await.unwrap().unwrap();
    orders::issue(tx, "invoice", order.id, &json!({}), now()).await.unwrap();
    let new = NewReversal {
        provider: "stripe",
        id: "ch",
        payment: "pi",
        kind: "refund",
        state: "lost",
        stamp: 0,
        amount_minor: 200,
        currency: "usd",
        at: now(),
    };
    reversals::note(tx, &new).await.unwrap();
    let back = posting(user, Kind::Chargeback, -100, "stripe:ch:move-1", json!({ "order": order.id }));
    reversals::post(tx, "stripe", "ch", Credits::whole(100), &back).await.unwrap().unwrap();
    order.id
}

/// The names of the questions that have something to say.
async fn faulty(store: &Store) -> Vec<&'static str> {
    let mut tx = store.snapshot().await.unwrap();
    let tx = &mut tx;
    let all = [
        ("made", verify_lots::made(tx).await.unwrap().len()),
        ("closed", verify_lots::closed(tx).await.unwrap().len()),
        ("marks", verify_lots::marks(tx).await.unwrap().len()),
        ("expired", verify_lots::expired(tx).await.unwrap().len()),
        ("without lot", verify_lots::without_lot(tx).await.unwrap().len()),
        ("uses", verify_promo::uses(tx).await.unwrap().len()),
        ("given", verify_promo::given(tx).await.unwrap().len()),
        ("codes unknown", verify_promo::unknown(tx).await.unwrap().len()),
        ("paid", verify_orders::paid(tx).await.unwrap().len()),
        ("says", verify_orders::says(tx).await.unwrap().len()),
        ("orders unknown", verify_orders::unknown(tx).await.unwrap().len()),
        ("taken back", verify_orders::taken_back(tx).await.unwrap().len()),
        ("stray", verify_orders::stray(tx).await.unwrap().len()),
        ("without invoice", verify_orders::without_invoice(tx).await.unwrap().len()),
        ("series", verify_orders::series(tx).await.unwrap().len()),
        ("callers", verify_sums::of_callers(tx).await.unwrap().len()),
        ("hub", verify_sums::of_hub(tx).await.unwrap().len()),
    ];
    all.into_iter().filter(|(_, faults)| *faults > 0).map(|(name, _)| name).collect()
}

both! {
    async fn a_changed_number_is_found_and_nothing_else(store: Store) {
        let user = account(&store, 10).await;
        let mut tx = store.write().await.unwrap();
        lot(&mut tx, user, 7).await;
        redeemed(&mut tx, user).await;
        let order = bought(&mut tx, user).await;
        tx.commit().await.unwrap();
        assert_eq!(faulty(&store).await, Vec::<&str>::new());
        for (broken, mended, named) in [
            ("UPDATE credit_grants SET amount = amount + 1", "UPDATE credit_grants SET amount = amount - 1", &["made"][..]),
            ("UPDATE credit_grants SET closed_at = created_at", "UPDATE credit_grants SET closed_at = NULL", &["closed"]),
            ("UPDATE credit_grants SET consumed = amount", "UPDATE credit_grants SET consumed = 0", &["closed"]),
            ("UPDATE credit_grants SET expired = 1", "UPDATE credit_grants SET expired = 0", &["expired"]),
            ("UPDATE credit_accounts SET burned_version = version + 1", "UPDATE credit_accounts SET burned_version = 0", &["marks"]),
            ("UPDATE promo_codes SET used_count = used_count + 1", "UPDATE promo_codes SET used_count = used_count - 1", &["uses"]),
            ("UPDATE promo_redemptions SET credits = credits + 1", "UPDATE promo_redemptions SET credits = credits - 1", &["given"]),
            ("UPDATE orders SET credits = credits + 1", "UPDATE orders SET credits = credits - 1", &["paid"]),
            ("UPDATE orders SET status = 'expired'", "UPDATE orders SET status = 'paid'", &["says"]),
            ("UPDATE payment_reversals SET taken = taken + 1", "UPDATE payment_reversals SET taken = taken - 1", &["taken back"]),
            ("UPDATE payment_reversals SET payment = 'x'", "UPDATE payment_reversals SET payment = 'pi'", &["taken back", "stray"]),
            ("UPDATE orders SET provider_payment = 'x'", "UPDATE orders SET provider_payment = 'pi'",
             &["paid", "orders unknown", "taken back", "stray"]),
            ("UPDATE invoice_series SET last_number = 2", "UPDATE invoice_series SET last_number = 1", &["series"]),
        ] {
            assert_eq!(execute(&store, broken).await.unwrap(), 1, "{broken}");
            assert_eq!(faulty(&store).await, named, "{broken}");
            execute(&store, mended).await.unwrap();
            assert_eq!(faulty(&store).await, Vec::<&str>::new(), "{mended}");
        }
        let mut tx = store.read().await.unwrap();
        assert_eq!(verify_orders::touched(&mut tx, None, 10).await.unwrap(), [order]);
        assert_eq!(verify_orders::posted(&mut tx, user, order).await.unwrap(), Credits::whole(100));
        drop(tx);
        execute(&store, "DELETE FROM promo_redemptions").await.unwrap();
        execute(&store, "DELETE FROM credit_grants").await.unwrap();
        assert_eq!(faulty(&store).await, ["without lot", "uses", "codes unknown"]);
    }

    async fn a_changed_sum_is_found_and_a_late_call_is_none(store: Store) {
        let user = UserId::new(&clock());
        let early = now() - Duration::days(2);
        put(&store, &call(user, early, 5)).await;
        put(&store, &call(user, early + Duration::hours(3), 6)).await;
        close(&store, quarter(now())).await;
        // What came late waits to be added up, and is no fault.
        put(&store, &call(user, early + Duration::hours(5), 7)).await;
        assert_eq!(faulty(&store).await, Vec::<&str>::new());
        for (broken, mended, named) in [
            ("UPDATE usage_sums SET credits = credits + 1 WHERE length = 86400", "UPDATE usage_sums SET credits = credits - 1 WHERE length = 86400",
             &["hub"][..]),
            ("UPDATE usage_user_sums SET calls = calls + 1 WHERE length = 86400", "UPDATE usage_user_sums SET calls = calls - 1 WHERE length = 86400",
             &["callers", "hub"]),
            ("UPDATE usage_user_sums SET credits = credits + 1 WHERE length = 900", "UPDATE usage_user_sums SET credits = credits - 1 WHERE length = 900",
             &["callers", "hub"]),
            ("UPDATE usage_logs SET credits = credits + 1", "UPDATE usage_logs SET credits = credits - 1", &[]),
        ] {
            assert!(execute(&store, broken).await.unwrap() > 0, "{broken}");
            assert_eq!(faulty(&store).await, named, "{broken}");
            execute(&store, mended).await.unwrap();
        }
        execute(&store, "DELETE FROM usage_late").await.unwrap();
        let mut tx = store.snapshot().await.unwrap();
        let faults = verify_sums::of_callers(&mut tx).await.unwrap();
        let late = (early + Duration::hours(5)).timestamp() / 900 * 900;
        let named: Vec<_> = faults.iter().map(|fault| (fault.user, fault.length, fault.start.timestamp(), fault.stored.1, fault.computed.1)).collect();
        assert_eq!(named, [(Some(user), 900, late, 0, 1)]);
    }
}

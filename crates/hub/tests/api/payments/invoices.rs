//! Invoices: numbered without a gap, unchanging, printable.

use hub_testkit::on_both_pairs;

use super::kit::{charge, finish, order, pay, session, start, tell};

on_both_pairs! {
    async fn an_invoice_says_who_sold_what_to_whom_with_the_tax_in_it(pair: Pair) {
        let (hub, stripe) = start(pair).await;
        let (ada, eve, admin) = (hub.user("ada").await, hub.user("eve").await, hub.admin().await);
        let ordered = order(&hub, &ada).await;
        let path = format!("/api/credits/orders/{}/invoice", ordered.id);
        hub.get(&path).bearer(&ada.access_token).send().await.expect(404);
        pay(&hub, &ordered).await;
        let page = hub.get(&path).bearer(&ada.access_token).send().await.expect(200);
        for expected in [
            "<h1>Invoice INV-000001</h1>",
            "Heron &amp; Sons<br>1 Reed Lane<br>Marsh &lt;Town&gt;<br>VAT number DE123456789",
            "ada@example.com",
            "2026-11-23",
            "500 credits",
            "8.40 USD",
            "19.00 %: 1.60 USD",
            "10.00 USD",
            "@media print",
        ] {
            assert!(page.text().contains(expected), "{expected} is not in {}", page.text());
        }
        assert!(page.header("content-security-policy").contains("style-src 'sha256-"));
        assert!(!page.text().contains("<script") && !page.text().contains("style="));
        hub.get(&path).bearer(&eve.access_token).send().await.expect(404);
        hub.get(&path).send().await.expect(401);
        hub.get(&path).bearer(&admin.access_token).send().await.expect(200);
        // It stays as it was issued, whatever becomes of the payment or of the seller.
        tell(&hub, "evt_r", "charge.refunded", &charge(&ordered, 1000)).await;
        let moved = hub.sibling_with(|_, settings| settings.payments.seller.name = "Somebody Else".to_owned()).await;
        assert_eq!(moved.get(&path).bearer(&ada.access_token).send().await.expect(200).text(), page.text());
        moved.finish().await;
        finish(hub, &stripe).await;
    }

    async fn numbers_have_no_gap_also_where_events_are_refused(pair: Pair) {
        let (hub, stripe) = start(pair).await;
        let ada = hub.user("ada").await;
        let mut orders = Vec::new();
        for _ in 0..6 {
            orders.push(order(&hub, &ada).await);
        }
        for (number, ordered) in orders.iter().enumerate() {
            let mut wrong = session(ordered);
            wrong["amount_total"] = 1.into();
            tell(&hub, &format!("evt_wrong_{number}"), "checkout.session.completed", &wrong).await;
            let event = super::kit::event(&hub, &format!("evt_{number}"), "checkout.session.completed", &session(ordered));
            super::kit::post(&hub, &event).await.expect(200);
        }
        futures::future::join_all((0..4).map(|_| hub.run_jobs())).await;
        hub.run_jobs().await;
        let mut numbers = Vec::new();
        for ordered in &orders {
            let path = format!("/api/credits/orders/{}/invoice", ordered.id);
            let text = hub.get(&path).bearer(&ada.access_token).send().await.expect(200).text();
            numbers.push(text.split("<h1>Invoice INV-").nth(1).unwrap()[..6].parse::<i64>().unwrap());
        }
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
        finish(hub, &stripe).await;
    }
}

//! The mails of top-ups, each queued in the transaction of the change it tells about.

use hub_store::orders::Order;
use hub_store::{StoreError, Tx};
use hub_types::{Credits, Email};

use super::price;
use crate::Hub;
use crate::identity::mails::{Letter, send};

/// The receipt for a payment.
pub(super) async fn receipt(hub: &Hub, tx: &mut Tx, to: &Email, order: &Order, number: &str) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    let paid = price(order.price_minor, &order.currency);
    let letter = Letter {
        subject: format!("Your receipt {number} from {product}"),
        paragraphs: vec![
            format!("Thank you. {} credits were added to your account at {product}.", order.credits()),
            format!("Paid: {paid} for “{}”. Invoice {number}, order {}.", order.name, order.id),
            "Sign in to see your orders and to print the invoice:".to_owned(),
        ],
        link: Some(home(hub)),
        dedupe_key: None,
        to,
    };
    send(hub, tx, letter).await
}

/// Credits went with a refund or a dispute, or came back.
pub(super) async fn moved(
    hub: &Hub,
    tx: &mut Tx,
    to: &Email,
    order: &Order,
    amount: Credits,
) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    let (subject, what) = if amount.is_positive() {
        let what = format!("{amount} credits of your order {} are back on your account.", order.id);
        (format!("Credits are back on your account at {product}"), what)
    } else {
        let what = format!(
            "The payment of your order {} was taken back, so {} credits were taken off your account.",
            order.id, -amount
        );
        (format!("A payment at {product} was taken back"), what)
    };
    let letter = Letter {
        subject,
        paragraphs: vec![
            what,
            "While a dispute is open, or while the account owes credits, nothing can be spent from it.".to_owned(),
            "Your orders and your balance are here:".to_owned(),
        ],
        link: Some(home(hub)),
        dedupe_key: None,
        to,
    };
    send(hub, tx, letter).await
}

fn home(hub: &Hub) -> String {
    format!("{}/", hub.settings.identity.public_url)
}

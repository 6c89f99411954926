//! Invoices: numbered without a gap, issued with the credits, and never changed.

use hub_store::orders::{self as stored, Order};
use hub_store::users::User;
use hub_store::{StoreError, Tx};
use hub_types::{Caller, Credits, OrderId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{PaymentsError, Seller, orders};
use crate::Hub;

/// Numbers of real payments.
const REAL: &str = "invoice";
/// Numbers of the sandbox's, so that they leave no gap in the real ones.
const SANDBOX: &str = "sandbox";

/// An invoice.
#[derive(Debug, Clone)]
pub struct Invoice {
    /// Its number as printed.
    pub number: String,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// The rest, as it was then.
    pub content: InvoiceContent,
}

/// What an invoice says besides number and date.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InvoiceContent {
    prefix: String,
    /// True for one that asks for no money because none moved.
    pub sample: bool,
    /// Who sold.
    pub seller: Seller,
    /// Who bought: the display name, perhaps empty.
    pub buyer_name: String,
    /// Who bought: the address.
    pub buyer_email: String,
    /// What was bought.
    pub item: String,
    /// How many credits.
    pub credits: Credits,
    /// What was paid, in the smallest unit of the currency, tax included.
    pub total_minor: i64,
    /// ISO 4217, lower case.
    pub currency: String,
    /// The tax in it; 0 without one.
    pub vat_minor: i64,
    /// The order.
    pub order: OrderId,
}

/// Issues the invoice of an order under the next number; returns it as printed.
pub(super) async fn issue(hub: &Hub, tx: &mut Tx, order: &Order, buyer: &User) -> Result<String, StoreError> {
    let settings = &hub.settings.payments;
    let sample = order.provider == SANDBOX;
    let content = InvoiceContent {
        prefix: if sample { "SAMPLE-".to_owned() } else { settings.invoice_prefix.clone() },
        sample,
        seller: settings.seller.clone(),
        buyer_name: buyer.name.clone(),
        buyer_email: buyer.email.as_str().to_owned(),
        item: order.name.clone(),
        credits: order.credits(),
        total_minor: order.price_minor,
        currency: order.currency.clone(),
        vat_minor: vat(order.price_minor, settings.seller.vat_basis_points),
        order: order.id,
    };
    let json = serde_json::to_value(&content).map_err(|_| StoreError::Corrupt("an invoice"))?;
    let series = if sample { SANDBOX } else { REAL };
    let number = stored::issue(tx, series, order.id, &json, hub.clock.now()).await?;
    Ok(printed(&content, number))
}

/// The invoice of an order that was paid. Somebody else's does not exist, unless the caller holds `credits:read_any`.
pub async fn invoice(hub: &Hub, caller: &Caller, id: OrderId) -> Result<Invoice, PaymentsError> {
    let order = orders::order(hub, caller, id).await?;
    let mut tx = hub.store.read().await?;
    let found = stored::invoice(&mut tx, order.id).await?.ok_or(PaymentsError::NotFound)?;
    let content: InvoiceContent =
        serde_json::from_value(found.content).map_err(|_| StoreError::Corrupt("an invoice"))?;
    Ok(Invoice { number: printed(&content, found.number), issued_at: found.issued_at, content })
}

fn printed(content: &InvoiceContent, number: i64) -> String {
    format!("{}{number:06}", content.prefix)
}

/// The tax inside a price that includes it, rounded to the nearest unit.
fn vat(total_minor: i64, basis_points: u32) -> i64 {
    let (total, rate) = (i128::from(total_minor), i128::from(basis_points));
    let part = (2 * total * rate + 10_000 + rate) / (2 * (10_000 + rate));
    i64::try_from(part).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::vat;

    #[test]
    fn the_tax_in_a_price_is_rounded_to_the_nearest_unit() {
        assert_eq!((vat(11_900, 1_900), vat(1_000, 1_900), vat(1_000, 0)), (1_900, 160, 0));
        assert_eq!((vat(1, 1_900), vat(4, 1_900), vat(i64::MAX, 10_000)), (0, 1, i64::MAX / 2 + 1));
    }
}

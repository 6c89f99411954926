//! Orders as the API shows them.

use hub_domain::payments::{self, Order};
use hub_types::{Credits, OrderId, Timestamp, UserId};
use serde::Serialize;
use utoipa::ToSchema;

/// A purchase of credits.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderView {
    /// Its id.
    id: OrderId,
    /// Who buys.
    user_id: UserId,
    /// Id of the package.
    package_id: String,
    /// The package's name as it was shown.
    name: String,
    /// What is bought.
    credits: Credits,
    /// Its price, in the smallest unit of the currency.
    price_minor: i64,
    /// ISO 4217, lower case.
    currency: String,
    /// The price in words.
    #[schema(example = "10.00 USD")]
    price: String,
    /// `created`, `pending`, `paid`, `failed`, `expired`, `refunded` or `disputed`.
    status: String,
    /// Who takes the payment: `stripe` or `sandbox`.
    provider: String,
    /// Where to pay; only while that can be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// What was refunded so far, in the smallest unit of the currency.
    refunded_minor: i64,
    /// When the credits were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    paid_at: Option<Timestamp>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Last change.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<Order> for OrderView {
    fn from(order: Order) -> Self {
        Self {
            id: order.id,
            user_id: order.user,
            credits: order.credits(),
            price: payments::price(order.price_minor, &order.currency),
            package_id: order.package,
            name: order.name,
            price_minor: order.price_minor,
            currency: order.currency,
            url: order.checkout_url.filter(|_| order.status == "pending"),
            status: order.status,
            provider: order.provider,
            refunded_minor: order.refunded_minor,
            paid_at: order.paid_at,
            created_at: order.created_at,
            updated_at: order.updated_at,
        }
    }
}

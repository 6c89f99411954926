//! `GET /api/credits/packages`: what is for sale.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::payments::{self, Package};
use hub_types::Credits;
use hub_web::{Authenticated, Json};
use serde::Serialize;
use utoipa::ToSchema;

/// Credits for a price.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PackageView {
    /// Its id, for `checkout`.
    id: String,
    /// What it is called.
    name: String,
    /// How many credits.
    credits: Credits,
    /// Its price, in the smallest unit of the currency.
    price_minor: i64,
    /// ISO 4217, lower case.
    currency: String,
    /// The price in words.
    #[schema(example = "10.00 USD")]
    price: String,
}

/// Everything for sale.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PackagesView {
    /// Who takes the payment: `stripe` or `sandbox`; absent where nothing is for sale.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'static str>,
    /// The packages, in the operator's order.
    packages: Vec<PackageView>,
}

impl From<Package> for PackageView {
    fn from(package: Package) -> Self {
        Self {
            price: payments::price(package.price_minor, &package.currency),
            id: package.id,
            name: package.name,
            credits: package.credits,
            price_minor: package.price_minor,
            currency: package.currency,
        }
    }
}

/// The packages of credits that can be bought.
#[utoipa::path(get, path = "/api/credits/packages", operation_id = "list_packages", tag = "credits",
    responses((status = 200, body = PackagesView)))]
pub(crate) async fn packages(State(hub): State<Arc<Hub>>, Authenticated(_): Authenticated) -> Json<PackagesView> {
    let packages = hub.packages().into_iter().map(PackageView::from).collect();
    Json(PackagesView { provider: hub.payments.name().filter(|_| !hub.payments_are_off()), packages })
}

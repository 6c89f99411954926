//! `[payments]` in `hub.toml`: what is sold, and by whom.

use hub_types::Credits;
use serde::{Deserialize, Serialize};

/// `[payments]` in `hub.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether the sandbox plays payment provider, so that everybody can give themselves credits. Unset: only while the hub has no
    /// provider that costs money, be it of the settings or added later.
    pub sandbox: Option<bool>,
    /// Stands before the number of every invoice; at most 20 characters.
    pub invoice_prefix: String,
    /// Who sells.
    pub seller: Seller,
    /// What is sold.
    pub packages: Vec<Package>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { sandbox: None, invoice_prefix: "INV-".to_owned(), seller: Seller::default(), packages: Vec::new() }
    }
}

/// `[payments.seller]`: stands on invoices.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seller {
    /// Name of the company or person.
    pub name: String,
    /// Lines of the postal address.
    pub address: Vec<String>,
    /// Number for value-added tax, if there is one.
    pub vat_id: Option<String>,
    /// Where buyers can ask.
    pub email: Option<String>,
    /// Value-added tax that prices include, in hundredths of a percent (1900 is 19 %); 0 shows no such line.
    pub vat_basis_points: u32,
}

/// `[[payments.packages]]`: credits for a price.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Its id in orders and requests; unique; a-z, 0-9, `-`, `_`, at most 40 characters.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// How many credits; above zero.
    pub credits: Credits,
    /// Its price, in the smallest unit of the currency (cents).
    pub price_minor: i64,
    /// ISO 4217 in lower case, such as `usd`.
    pub currency: String,
}

/// What the sandbox sells where nothing else is for sale.
pub(super) fn samples() -> Vec<Package> {
    [("small", 500), ("medium", 2_000), ("large", 10_000)]
        .into_iter()
        .map(|(id, credits)| Package {
            id: id.to_owned(),
            name: format!("{credits} credits"),
            credits: Credits::whole(credits),
            price_minor: i64::from(credits),
            currency: "usd".to_owned(),
        })
        .collect()
}

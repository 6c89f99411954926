//! What the house adds to the prices of the book, by role.

use std::sync::Arc;

use hub_types::Caller;

use super::book::{Price, Settings};

impl Settings {
    /// The caller's margin in thousandths: the lowest of those of the caller's roles that have one, else none.
    pub fn margin_permille(&self, caller: &Caller) -> i64 {
        let margins = caller.roles.iter().filter_map(|role| self.margins.get(role));
        margins.min().map_or(0, |percent| i64::from(*percent) * 10)
    }

    /// The price as this caller pays it. The version stays the same: what differs is the margin in its unit prices.
    pub fn for_caller(&self, price: Arc<Price>, caller: &Caller) -> Arc<Price> {
        let margin_permille = self.margin_permille(caller);
        if margin_permille == 0 {
            return price;
        }
        let mut price = Price::clone(&price);
        price.units.margin_permille = margin_permille;
        Arc::new(price)
    }
}

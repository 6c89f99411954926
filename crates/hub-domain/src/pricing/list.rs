//! The price book for whoever keeps it.

use std::sync::Arc;

use hub_types::{Caller, Permission};
use serde::Deserialize;

use super::book::Price;
use crate::Hub;
use crate::rbac::{self, Denied};

/// Which prices.
#[derive(Debug, Clone, Default)]
pub struct PricesQuery {
    /// Only this service.
    pub service: Option<String>,
    /// Only this model.
    pub model: Option<String>,
    /// Past, present or future.
    pub state: PriceState,
}

/// See `PricesQuery::state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PriceState {
    /// In force now.
    #[default]
    Current,
    /// Not yet in force.
    Future,
    /// Every version there is.
    All,
}

/// Prices by service, model and start. Needs `prices:update`.
pub fn list(hub: &Hub, caller: &Caller, query: &PricesQuery) -> Result<Vec<Arc<Price>>, Denied> {
    rbac::require(caller, Permission::PricesUpdate)?;
    let now = hub.clock.now();
    let prices = match query.state {
        PriceState::Current => hub.prices.all_current(now),
        PriceState::Future => hub.prices.to_come(now),
        PriceState::All => hub.prices.all(),
    };
    let asked = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
    Ok(prices
        .into_iter()
        .filter(|price| asked(&query.service, &price.service) && asked(&query.model, &price.model))
        .collect())
}

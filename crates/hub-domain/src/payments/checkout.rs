//! `POST /api/credits/checkout`: an order, and the provider's page where it is paid.

use std::sync::Arc;
use std::time::Duration;

use hub_clients::pay::{NewCheckout, OpenCheckout};
use hub_store::orders::{self, NewOrder, Order};
use hub_store::users;
use hub_types::{Caller, OrderId, Permission};
use serde_json::json;

use super::{Package, PaymentsError, sandbox};
use crate::audit::{self, Event};
use crate::{Hub, Origin, rbac};

/// Orders of one user that may wait for a payment at once.
const MOST_OPEN: i64 = 20;
/// Older ones do not count: their pages have closed.
const OPEN_FOR: Duration = Duration::from_hours(24);

/// An order that can be paid.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The order.
    pub order: OrderId,
    /// Where it is paid.
    pub url: String,
}

/// Orders a package for the caller's own account. Needs `credits:purchase`. The same key again gives the same order.
pub async fn checkout(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    package: &str,
    key: Option<&str>,
) -> Result<Opened, PaymentsError> {
    rbac::require(caller, Permission::CreditsPurchase)?;
    if let Some(opened) = before(hub, caller, package, key).await? {
        return Ok(opened);
    }
    sandbox::may_play(hub).await?;
    let package = hub.packages().into_iter().find(|known| known.id == package).ok_or(PaymentsError::UnknownPackage)?;
    let provider = Arc::clone(hub.payments.provider()?);
    let order = place(hub, caller, origin, &package, provider.name(), key).await?;
    if let Some(url) = order.checkout_url {
        return Ok(Opened { order: order.id, url });
    }
    // The order is in the database before the provider hears of it, so an event can never name one that we do not know.
    match provider.open(&page(hub, caller, &order)).await {
        Ok(OpenCheckout { session, url }) => {
            let mut tx = hub.store.write().await?;
            let first = orders::opened(&mut tx, order.id, &session, &url, hub.clock.now()).await?;
            // Somebody sent the same at the same time, or the payment was quicker than this answer.
            let known = if first { None } else { orders::get(&mut tx, order.id).await? };
            tx.commit().await?;
            let url = known.and_then(|known| known.checkout_url).unwrap_or(url);
            Ok(Opened { order: order.id, url })
        }
        Err(error) => {
            tracing::warn!(order = %order.id, provider = provider.name(), %error, "a checkout could not be opened");
            if error.is_permanent() {
                let mut tx = hub.store.write().await?;
                orders::not_opened(&mut tx, order.id, hub.clock.now()).await?;
                tx.commit().await?;
            }
            Err(error.into())
        }
    }
}

/// What the same request was answered before, also where the package is not sold any more.
async fn before(hub: &Hub, caller: &Caller, package: &str, key: Option<&str>) -> Result<Option<Opened>, PaymentsError> {
    let Some(key) = key else { return Ok(None) };
    let mut tx = hub.store.read().await?;
    let Some(known) = orders::by_key(&mut tx, caller.user, key).await? else { return Ok(None) };
    if known.package != package {
        return Err(PaymentsError::KeyReused);
    }
    Ok(known.checkout_url.map(|url| Opened { order: known.id, url }))
}

/// The order: a new one, or the one made under this key before.
async fn place(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    package: &Package,
    provider: &'static str,
    key: Option<&str>,
) -> Result<Order, PaymentsError> {
    let now = hub.clock.now();
    let mut tx = hub.store.write().await?;
    // One after the other, so that the count below counts.
    users::lock(&mut tx, caller.user).await?;
    if let Some(key) = key
        && let Some(known) = orders::by_key(&mut tx, caller.user, key).await?
    {
        let same = known.package == package.id && known.provider == provider;
        return if same { Ok(known) } else { Err(PaymentsError::KeyReused) };
    }
    if orders::count_open(&mut tx, caller.user, now - OPEN_FOR).await? >= MOST_OPEN {
        return Err(PaymentsError::TooMany);
    }
    let id = OrderId::new(&hub.clock);
    let new = NewOrder {
        id,
        user: caller.user,
        package: &package.id,
        name: &package.name,
        credits: package.credits,
        price_minor: package.price_minor,
        currency: &package.currency,
        provider,
        key,
        at: now,
    };
    orders::insert(&mut tx, &new).await?;
    let order = orders::get(&mut tx, id).await?.ok_or(PaymentsError::NotFound)?;
    let event = Event::new("payment.started").by(caller).on("order", &id.to_string()).about(caller.user);
    let details = json!({ "package": package.id, "credits": package.credits, "priceMinor": package.price_minor,
                          "currency": package.currency, "provider": provider });
    audit::record(hub, &mut tx, origin, event.details(details)).await?;
    tx.commit().await?;
    Ok(order)
}

fn page(hub: &Hub, caller: &Caller, order: &Order) -> NewCheckout {
    let public_url = &hub.settings.identity.public_url;
    NewCheckout {
        order: order.id.to_string(),
        name: order.name.clone(),
        amount_minor: order.price_minor,
        currency: order.currency.clone(),
        email: caller.email.as_str().to_owned(),
        success_url: format!("{public_url}/api/credits/checkout/done"),
        cancel_url: format!("{public_url}/api/credits/checkout/cancelled"),
    }
}

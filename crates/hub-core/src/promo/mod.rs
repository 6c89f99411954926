//! `/api/promo-codes`: one file per endpoint. All need `promo:manage`.

mod batch;
mod create;
mod export;
mod get;
mod list;
mod redemptions;
mod update;

use std::sync::Arc;

use hub_domain::Hub;
use hub_domain::promo::{PromoCode, Rules};
use hub_types::{Credits, PromoCodeId, Timestamp, UserId};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .routes(routes!(batch::create_batch))
        .routes(routes!(export::export))
        .routes(routes!(get::get, update::update))
        .routes(routes!(redemptions::redemptions))
}

/// A promo code.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PromoView {
    /// Its id.
    id: PromoCodeId,
    /// What is typed in; case does not matter.
    code: String,
    /// What one redemption gives.
    credits: Credits,
    /// Redemptions in all; `null` for no limit.
    max_uses: Option<i32>,
    /// Redemptions per person.
    max_uses_per_user: i32,
    /// Redemptions so far.
    used_count: i32,
    /// False when it was switched off.
    active: bool,
    /// Not before.
    #[schema(value_type = Option<String>, format = DateTime)]
    starts_at: Option<Timestamp>,
    /// Before, exclusive.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Days the credits live; `null` for ever.
    credits_expire_days: Option<i32>,
    /// One of these roles is needed; empty admits everybody.
    roles: Vec<String>,
    /// A proven e-mail address in one of these domains is needed; empty admits everybody.
    domains: Vec<String>,
    /// The batch it was made in.
    batch: Option<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Who made it.
    created_by: Option<UserId>,
}

impl From<PromoCode> for PromoView {
    fn from(promo: PromoCode) -> Self {
        let Rules { roles, domains } = serde_json::from_value(promo.rules).unwrap_or_default();
        Self {
            id: promo.id,
            code: promo.code,
            credits: promo.credits,
            max_uses: promo.max_uses,
            max_uses_per_user: promo.max_uses_per_user,
            used_count: promo.used_count,
            active: promo.active,
            starts_at: promo.starts_at,
            expires_at: promo.expires_at,
            credits_expire_days: promo.credits_expire_days,
            roles,
            domains,
            batch: promo.batch,
            created_at: promo.created_at,
            created_by: promo.created_by,
        }
    }
}

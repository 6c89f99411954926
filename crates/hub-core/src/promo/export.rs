//! `GET /api/promo-codes/export.csv`: promo codes for a spreadsheet, however many. One page of them is in memory at a time.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::stream;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use hub_domain::Hub;
use hub_domain::promo::{self, PromoCode, PromoError, PromoQuery};
use hub_types::{Caller, PromoCodeId, Timestamp};
use hub_web::{ApiError, Authenticated, CSV_TYPE, Cell, Query, RequestOrigin, write_csv};

use super::list::PromoFilter;
use crate::errors;

/// The first line.
const NAMES: [&str; 12] = [
    "id",
    "code",
    "credits",
    "maxUses",
    "maxUsesPerUser",
    "usedCount",
    "active",
    "startsAt",
    "expiresAt",
    "creditsExpireDays",
    "batch",
    "createdAt",
];

/// An export under way.
struct Export {
    hub: Arc<Hub>,
    caller: Caller,
    query: PromoQuery,
    before: Option<PromoCodeId>,
}

/// Promo codes as CSV, newest first; needs `promo:manage` and leaves a row in the audit trail. Text that begins like a formula has an
/// apostrophe before it.
#[utoipa::path(get, path = "/api/promo-codes/export.csv", tag = "promo-codes", operation_id = "export_promo_codes", params(PromoFilter),
    responses((status = 200, body = String, content_type = "text/csv")))]
pub(crate) async fn export(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Query(filter): Query<PromoFilter>,
) -> Result<Response, ApiError> {
    let query = PromoQuery::from(filter);
    promo::begin_export(&hub, &caller, &origin, &query).await.map_err(errors::promo)?;
    let mut head = String::new();
    write_csv(&mut head, NAMES.map(Cell::Text));
    let rows = stream::try_unfold(Export { hub, caller, query, before: None }, next);
    let body = futures::StreamExt::chain(stream::iter([Ok(head)]), rows);
    let headers = [(CONTENT_TYPE, CSV_TYPE), (CONTENT_DISPOSITION, "attachment; filename=\"promo-codes.csv\"")];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// The next page. An error breaks the answer off, so that a part is not taken for the whole.
async fn next(mut export: Export) -> Result<Option<(String, Export)>, PromoError> {
    let codes = promo::export_page(&export.hub, &export.caller, &export.query, export.before).await?;
    let Some(last) = codes.last() else { return Ok(None) };
    export.before = Some(last.id);
    let mut page = String::new();
    for code in &codes {
        write_row(&mut page, code);
    }
    Ok(Some((page, export)))
}

fn write_row(out: &mut String, promo: &PromoCode) {
    let time = |time: Option<Timestamp>| time.map(|time| time.to_rfc3339()).unwrap_or_default();
    let (id, created) = (promo.id.to_string(), promo.created_at.to_rfc3339());
    let (starts, expires) = (time(promo.starts_at), time(promo.expires_at));
    write_csv(
        out,
        [
            Cell::Text(&id),
            Cell::Text(&promo.code),
            Cell::Number(&promo.credits),
            Cell::number(promo.max_uses.as_ref()),
            Cell::Number(&promo.max_uses_per_user),
            Cell::Number(&promo.used_count),
            Cell::Text(if promo.active { "true" } else { "false" }),
            Cell::Text(&starts),
            Cell::Text(&expires),
            Cell::number(promo.credits_expire_days.as_ref()),
            Cell::Text(promo.batch.as_deref().unwrap_or_default()),
            Cell::Text(&created),
        ],
    );
}

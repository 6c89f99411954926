//! `/api/credits/sandbox/{session}`: the page of the payment provider inside the hub.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use hub_domain::Hub;
use hub_domain::payments::{self, Press};
use hub_types::ErrorCode;
use hub_web::html::Page;
use hub_web::{ApiError, Path, RawBody, comes_from_here};
use utoipa::ToSchema;

use super::errors;

/// The page where a payment is played.
#[utoipa::path(get, path = "/api/credits/sandbox/{session}", operation_id = "show_sandbox_payment", tag = "credits", security(()),
    params(("session" = String, Path, description = "The checkout, as its address names it.")),
    responses((status = 200, description = "A page.", content_type = "text/html")))]
pub(crate) async fn show(State(hub): State<Arc<Hub>>, Path(session): Path<String>) -> Result<Response, ApiError> {
    let order = payments::sandbox_order(&hub, &session).await.map_err(errors::payments)?;
    let page = Page::new("Sandbox payment")
        .text("This hub plays payment provider. No money moves, whatever you press.")
        .table(&[
            ("Item", order.name.clone()),
            ("Credits", order.credits().to_string()),
            ("Price", payments::price(order.price_minor, &order.currency)),
        ]);
    Ok(if order.status == "pending" {
        page.buttons(&[("pay", "Pay"), ("fail", "Fail"), ("cancel", "Cancel")]).into_response()
    } else {
        page.text(&format!("This order is {}.", order.status)).way_back().into_response()
    })
}

/// The button.
#[derive(ToSchema)]
#[schema(as = SandboxPress)]
#[expect(dead_code, reason = "the document's form; the body is three words that are compared as they are")]
struct PressForm {
    /// `pay`, `fail` or `cancel`.
    #[schema(pattern = "^(pay|fail|cancel)$")]
    action: String,
}

/// Presses a button of that page.
#[utoipa::path(post, path = "/api/credits/sandbox/{session}", operation_id = "press_sandbox_payment", tag = "credits", security(()),
    params(("session" = String, Path, description = "The checkout, as its address names it.")),
    request_body(content = PressForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 303, description = "On to the page that a buyer comes back to.")))]
pub(crate) async fn press(
    State(hub): State<Arc<Hub>>,
    Path(session): Path<String>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, ApiError> {
    if !comes_from_here(&headers, &hub.settings.identity.public_url) {
        return Err(ApiError::new(ErrorCode::Forbidden).message("The request came from another site"));
    }
    let (press, next) = match &*body {
        b"action=pay" => (Press::Pay, "/api/credits/checkout/done"),
        b"action=fail" => (Press::Fail, "/api/credits/checkout/cancelled"),
        b"action=cancel" => (Press::Cancel, "/api/credits/checkout/cancelled"),
        _ => return Err(ApiError::validation("action", "must be pay, fail or cancel")),
    };
    payments::press(&hub, &session, press).await.map_err(errors::payments)?;
    let mut response = Response::default();
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(LOCATION, HeaderValue::from_static(next));
    Ok(response)
}

//! Where buyers come back to. Coming here proves nothing and changes nothing: credits come with the provider's signed event.

use axum::response::Response;
use hub_web::html::Page;

/// The page after a payment.
#[utoipa::path(get, path = "/api/credits/checkout/done", operation_id = "checkout_done", tag = "credits", security(()),
    responses((status = 200, description = "A page.", content_type = "text/html")))]
pub(crate) async fn done() -> Response {
    Page::new("Thank you")
        .text("Your credits are added as soon as the payment provider has confirmed the payment. Usually that takes a few seconds.")
        .text("Then a receipt is mailed to you.")
        .way_back()
        .into_response()
}

/// The page after a change of mind.
#[utoipa::path(get, path = "/api/credits/checkout/cancelled", operation_id = "checkout_cancelled", tag = "credits", security(()),
    responses((status = 200, description = "A page.", content_type = "text/html")))]
pub(crate) async fn cancelled() -> Response {
    Page::new("Nothing was bought").text("You left the payment. Nothing was charged.").way_back().into_response()
}

//! `GET /api/credits/orders/{id}/invoice`: the invoice of a purchase, ready to be printed.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use hub_domain::Hub;
use hub_domain::payments::{self, Invoice};
use hub_types::OrderId;
use hub_web::html::Page;
use hub_web::{ApiError, Authenticated, Path};

use super::errors;

/// The invoice of one of the caller's purchases, as a page to print. There is one from the moment the credits are given.
#[utoipa::path(get, path = "/api/credits/orders/{id}/invoice", operation_id = "get_invoice", tag = "credits", params(("id" = OrderId, Path)),
    responses((status = 200, description = "The invoice.", content_type = "text/html")))]
pub(crate) async fn invoice(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    Path(id): Path<OrderId>,
) -> Result<Response, ApiError> {
    let invoice = payments::invoice(&hub, &caller, id).await.map_err(errors::payments)?;
    Ok(page(&invoice).into_response())
}

fn page(invoice: &Invoice) -> Page {
    let content = &invoice.content;
    let seller = &content.seller;
    let vat_id = seller.vat_id.as_ref().map(|id| format!("VAT number {id}")).unwrap_or_default();
    let mut from = vec![seller.name.as_str()];
    from.extend(seller.address.iter().map(String::as_str));
    from.extend([vat_id.as_str(), seller.email.as_deref().unwrap_or_default()]);
    let money = |minor: i64| payments::price(minor, &content.currency);
    let mut rows = vec![
        ("Number", invoice.number.clone()),
        ("Date", invoice.issued_at.date_naive().to_string()),
        ("Order", content.order.to_string()),
        ("Item", content.item.clone()),
        ("Credits", content.credits.to_string()),
    ];
    if content.seller.vat_basis_points > 0 {
        let (whole, part) = (seller.vat_basis_points / 100, seller.vat_basis_points % 100);
        rows.push(("Net", money(content.total_minor - content.vat_minor)));
        rows.push(("VAT", format!("{whole}.{part:02} %: {}", money(content.vat_minor))));
    }
    rows.push(("Total, paid", money(content.total_minor)));
    let title = format!("Invoice {}", invoice.number);
    let page = Page::new(&title)
        .lines("From", from)
        .lines("To", [content.buyer_name.as_str(), content.buyer_email.as_str()])
        .table(&rows);
    if content.sample { page.text("A sample of the sandbox: no money was paid.") } else { page }
}

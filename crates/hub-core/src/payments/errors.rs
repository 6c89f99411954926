//! What the refusals of payments look like over HTTP.

use std::time::Duration;

use hub_domain::payments::PaymentsError;
use hub_types::ErrorCode;
use hub_web::ApiError;

/// When a caller may try again while the database or the payment provider is away.
const RETRY: Duration = Duration::from_secs(2);

/// Refusals of packages, checkout, orders and invoices.
pub(super) fn payments(error: PaymentsError) -> ApiError {
    match error {
        PaymentsError::Denied(denied) => ApiError::new(ErrorCode::Forbidden).source(denied),
        PaymentsError::NoProvider => ApiError::new(ErrorCode::NotImplemented).message("This hub takes no payments"),
        PaymentsError::CostsMoney => ApiError::new(ErrorCode::Conflict).message(
            "This hub takes no payments: its sandbox plays them only while no provider that costs money is in use, or with payments.sandbox = true",
        ),
        PaymentsError::UnknownPackage => ApiError::not_found("Package"),
        PaymentsError::NotFound => ApiError::not_found("Order or invoice"),
        PaymentsError::TooMany => ApiError::new(ErrorCode::RateLimitExceeded)
            .message("Too many of your orders wait for a payment; pay or cancel one first"),
        PaymentsError::KeyReused => ErrorCode::IdempotencyConflict.into(),
        PaymentsError::Event(_) => {
            ApiError::validation("Stripe-Signature", "does not belong to this body, or is too old").source(error)
        }
        PaymentsError::Provider(ref cause) if cause.is_permanent() => ApiError::new(ErrorCode::ProviderError)
            .message("The payment provider refused to open a checkout")
            .source(error),
        PaymentsError::Provider(_) => ApiError::new(ErrorCode::Unavailable)
            .message("The payment provider is not available, please try again")
            .retry_after(RETRY)
            .source(error),
        PaymentsError::Store(error) => crate::errors::credits(error.into()),
    }
}

/// The same for events, where a hub without that provider has no such address.
pub(super) fn event(error: PaymentsError) -> ApiError {
    match error {
        PaymentsError::NoProvider => ErrorCode::NotFound.into(),
        other => payments(other),
    }
}

//! What the rules' refusals look like over HTTP. One function per error of `hub-domain`.

use hub_domain::credits::CreditsError;
use hub_domain::promo::PromoError;
use hub_types::ErrorCode;
use hub_web::ApiError;
use serde_json::json;

/// When a caller may try again while the database is away.
const RETRY: std::time::Duration = std::time::Duration::from_secs(2);

/// Refusals of balance, history, deduct, grant and receipt.
pub(crate) fn credits(error: CreditsError) -> ApiError {
    match error {
        CreditsError::Denied(denied) => ApiError::new(ErrorCode::Forbidden).source(denied),
        CreditsError::NotFound => ApiError::not_found("Credit account or receipt"),
        CreditsError::Insufficient { needed, spendable } => ApiError::new(ErrorCode::InsufficientCredits)
            .message(format!("{needed} credits are needed, {spendable} are available"))
            .details(json!({ "needed": needed, "available": spendable })),
        CreditsError::Frozen => ErrorCode::AccountFrozen.into(),
        CreditsError::Invalid { field, message } => ApiError::validation(field, message),
        CreditsError::KeyReused => ErrorCode::IdempotencyConflict.into(),
        CreditsError::NotRefundable(message) => ApiError::new(ErrorCode::Conflict).message(message),
        CreditsError::Seal(error) => ApiError::internal(error),
        CreditsError::Store(error) if error.is_unavailable() => {
            ApiError::new(ErrorCode::Unavailable).retry_after(RETRY).source(error)
        }
        CreditsError::Store(error) => ApiError::internal(error),
    }
}

/// Refusals of promo codes.
pub(crate) fn promo(error: PromoError) -> ApiError {
    match error {
        PromoError::Denied(denied) => ApiError::new(ErrorCode::Forbidden).source(denied),
        PromoError::NotFound => ApiError::not_found("Promo code"),
        PromoError::Exists => ApiError::new(ErrorCode::Conflict).message("There is a code of that name"),
        PromoError::NotRedeemable => ErrorCode::PromoCodeInvalid.into(),
        PromoError::AlreadyRedeemed => ErrorCode::PromoCodeRedeemed.into(),
        PromoError::TooMany { retry_after } => ApiError::new(ErrorCode::RateLimitExceeded).retry_after(retry_after),
        PromoError::Frozen => ErrorCode::AccountFrozen.into(),
        PromoError::Invalid { field, message } => ApiError::validation(field, message),
        PromoError::Store(error) => credits(error.into()),
    }
}

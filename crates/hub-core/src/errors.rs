//! What the rules' refusals look like over HTTP. One function per error of `hub-domain`.

use hub_domain::credits::{CreditsError, HoldError};
use hub_domain::identity::HasherError;
use hub_domain::inference::{BadRequest, InferenceError};
use hub_domain::pricing::ImportError;
use hub_domain::promo::PromoError;
use hub_domain::providers::ProvidersError;
use hub_domain::rbac::RightsError;
use hub_domain::reconcile::ReconcileError;
use hub_domain::sessions::{FreshError, ImpersonateError};
use hub_domain::users::{CreateError, CredentialError};
use hub_types::ErrorCode;
use hub_web::ApiError;
use serde_json::json;

/// When a caller may try again while the database is away.
const RETRY: std::time::Duration = std::time::Duration::from_secs(2);
/// When an address may get the next mail of a kind that it got too many of.
const INVITE_PAUSE: std::time::Duration = std::time::Duration::from_hours(1);

/// Refusals of balance, history, deduct, grant and receipt.
pub(crate) fn credits(error: CreditsError) -> ApiError {
    match error {
        CreditsError::Denied(denied) => ApiError::new(ErrorCode::Forbidden).source(denied),
        CreditsError::NeedsSession => {
            ApiError::new(ErrorCode::Forbidden).message("An API key cannot do this; sign in instead")
        }
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

/// A body that would be no call.
pub(crate) fn bad_request(error: BadRequest) -> ApiError {
    ApiError::validation(error.param.unwrap_or_else(|| "request".to_owned()), error.message)
}

/// Refusals of a quote. It makes no call, so what only calls can meet is a defect.
pub(crate) fn quote(error: InferenceError) -> ApiError {
    match error {
        InferenceError::Denied(denied) => credits(denied.into()),
        InferenceError::ModelNotFound { model } => ApiError::new(ErrorCode::ModelNotFound)
            .message(format!("The model {model:?} does not exist or you may not use it"))
            .field("model", "is not available"),
        InferenceError::Unsendable(error) => bad_request(error),
        InferenceError::TooLarge => ApiError::new(ErrorCode::Validation).message("The call is too large to be priced"),
        InferenceError::Hold(HoldError::NoAccount) => credits(CreditsError::NotFound),
        InferenceError::Store(error) => credits(error.into()),
        error => ApiError::internal(error),
    }
}

/// Files that cannot be compared.
pub(crate) fn reconcile(error: ReconcileError) -> ApiError {
    match error {
        ReconcileError::File(error) => ApiError::validation("body", error.to_string()),
        ReconcileError::NoPeriod => ApiError::validation("from", error.to_string()),
        ReconcileError::Store(error) => credits(error.into()),
    }
}

/// Refusals of an import of prices.
pub(crate) fn prices(error: ImportError) -> ApiError {
    match error {
        ImportError::Denied(denied) => ApiError::new(ErrorCode::Forbidden).source(denied),
        ImportError::Size => ApiError::validation("prices", "must be 1 to 5000"),
        ImportError::Refused(changes) => ApiError::new(ErrorCode::Validation)
            .message("some prices cannot be taken over; nothing was changed")
            .details(json!({ "changes": changes })),
        ImportError::Taken(name) => {
            ApiError::new(ErrorCode::Conflict).message(format!("{name} has a version with the same start"))
        }
        ImportError::Store(error) => credits(error.into()),
    }
}

/// Refusals of managing providers.
pub(crate) fn providers(error: ProvidersError) -> ApiError {
    let conflict = |message| ApiError::new(ErrorCode::Conflict).message(message);
    match error {
        ProvidersError::Denied(denied) => ApiError::new(ErrorCode::Forbidden).source(denied),
        ProvidersError::UnknownProvider => ApiError::not_found("Provider"),
        ProvidersError::UnknownCredential => ApiError::not_found("Credential"),
        ProvidersError::Settings => conflict("This is in the settings of the hub and can only be changed there"),
        ProvidersError::BoundToAddress => {
            conflict("Its credentials were given for its present address and kind; delete them first")
        }
        ProvidersError::Taken => conflict("There is a credential of that label; give another, then delete the old one"),
        ProvidersError::TooMany => conflict("There are too many already; delete one first"),
        ProvidersError::Invalid { field, message } => ApiError::validation(field, message),
        ProvidersError::Seal(error) => ApiError::internal(error),
        ProvidersError::Store(error) => credits(error.into()),
    }
}

/// Refusals about accounts, roles and who holds them.
pub(crate) fn rights(error: RightsError) -> ApiError {
    match error {
        RightsError::Denied(denied) => ApiError::new(ErrorCode::Forbidden).source(denied),
        RightsError::Unauthenticated => ApiError::unauthenticated(),
        RightsError::AboveCaller => ApiError::new(ErrorCode::Forbidden)
            .message("You can neither change what is above you nor hand on what you do not have"),
        RightsError::Own => ApiError::new(ErrorCode::Forbidden).message("You cannot change your own account this way"),
        RightsError::LastAdmin => ApiError::new(ErrorCode::Conflict)
            .message("This is the last administrator who can sign in; make another first"),
        RightsError::UnknownUser => ApiError::not_found("User"),
        RightsError::UnknownRole => ApiError::not_found("Role"),
        RightsError::UnknownPermission => ApiError::not_found("Permission"),
        RightsError::System => {
            ApiError::new(ErrorCode::Forbidden).message("The hub relies on this as it is; it cannot be changed")
        }
        RightsError::Taken => ApiError::new(ErrorCode::Conflict).message("The name is taken"),
        RightsError::InUse(holders) => ApiError::new(ErrorCode::Conflict)
            .message("Somebody still holds this role; take it from them first")
            .details(json!({ "holders": holders })),
        RightsError::TooMany => {
            ApiError::new(ErrorCode::Conflict).message("There are too many already; delete one first")
        }
        RightsError::Invalid { field, message } => ApiError::validation(field, message),
        RightsError::Store(error) => credits(error.into()),
    }
}

/// Refusals of a new account and of an invitation.
pub(crate) fn create_user(error: CreateError) -> ApiError {
    match error {
        CreateError::Rights(RightsError::UnknownRole) => ApiError::validation("role", "does not exist"),
        CreateError::Rights(error) => rights(error),
        CreateError::Taken => ApiError::new(ErrorCode::Conflict).message("There is an account with this address"),
        CreateError::TooMany => ApiError::new(ErrorCode::RateLimitExceeded)
            .message("This address got several invitations already, please try again later")
            .retry_after(INVITE_PAUSE),
        CreateError::Password(error) => ApiError::validation("password", error.to_string()),
        CreateError::Weak(weaknesses) => {
            let error = ApiError::new(ErrorCode::Validation).message("The password is too weak");
            weaknesses.iter().fold(error, |error, weakness| error.field("password", weakness.to_string()))
        }
        CreateError::Hasher(error @ HasherError::Busy) => {
            ApiError::new(ErrorCode::Unavailable).retry_after(RETRY).source(error)
        }
        CreateError::Hasher(error) => ApiError::internal(error),
    }
}

/// Refusals of an impersonation.
pub(crate) fn impersonate(error: ImpersonateError) -> ApiError {
    match error {
        ImpersonateError::Rights(error) => rights(error),
        ImpersonateError::Fresh(error) => fresh(error),
        ImpersonateError::Token(error) => ApiError::internal(error),
    }
}

/// Refusals of an administrator's change to the ways into an account.
pub(crate) fn credentials(error: CredentialError) -> ApiError {
    match error {
        CredentialError::Rights(error) => rights(error),
        CredentialError::Fresh(error) => fresh(error),
        CredentialError::Taken => ApiError::new(ErrorCode::Conflict).message("There is an account with this address"),
        CredentialError::Unusable => ApiError::new(ErrorCode::Conflict)
            .message("The account is switched off, or its mailbox is not proven; change that first"),
        CredentialError::TooMany => ApiError::new(ErrorCode::RateLimitExceeded)
            .message("The owner got several such mails already, please try again later")
            .retry_after(INVITE_PAUSE),
    }
}

fn fresh(error: FreshError) -> ApiError {
    match error {
        FreshError::NeedsSession => {
            ApiError::new(ErrorCode::Forbidden).message("An API key cannot do this; sign in instead")
        }
        FreshError::Stale => ApiError::new(ErrorCode::Forbidden)
            .message("Your sign-in is too long ago, please sign in again")
            .details(json!({ "reauthenticationRequired": true })),
        FreshError::Store(error) => credits(error.into()),
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
        PromoError::Full => ApiError::new(ErrorCode::Conflict)
            .message("The code would raise the balance above 1000000000 credits; it was not used"),
        PromoError::Invalid { field, message } => ApiError::validation(field, message),
        PromoError::Store(error) => credits(error.into()),
    }
}

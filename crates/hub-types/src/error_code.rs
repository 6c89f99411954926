//! The one table of errors: code, HTTP status, default message, whether trying again can help.
//!
//! No other place in the house knows a status number of an error. `docs/errors.md` is generated from here.

use std::fmt;

macro_rules! error_codes {
    ($($variant:ident $code:literal $status:literal $retryable:literal $message:literal),+ $(,)?) => {
        /// A code a client can rely on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $(#[doc = $message] $variant),+ }

        impl ErrorCode {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in the envelope.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// The HTTP status.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status),+ }
            }

            /// True when the same request may succeed later.
            pub const fn retryable(self) -> bool {
                match self { $(Self::$variant => $retryable),+ }
            }

            /// The message when the rule has nothing better to say.
            pub const fn message(self) -> &'static str {
                match self { $(Self::$variant => $message),+ }
            }
        }
    };
}

error_codes! {
    Validation "VALIDATION_ERROR" 400 false "The request is not valid",
    Authentication "AUTHENTICATION_ERROR" 401 false "Authentication failed",
    InsufficientCredits "INSUFFICIENT_CREDITS" 402 false "Not enough credits",
    BudgetExceeded "BUDGET_EXCEEDED" 402 false "The budget is spent",
    Forbidden "FORBIDDEN" 403 false "You may not do this",
    AccountFrozen "ACCOUNT_FROZEN" 403 false "The credit account is frozen",
    NotFound "NOT_FOUND" 404 false "Not found",
    PromoCodeInvalid "PROMO_CODE_INVALID" 404 false "This code cannot be redeemed",
    ModelNotFound "MODEL_NOT_FOUND" 404 false "The model does not exist or you may not use it",
    MethodNotAllowed "METHOD_NOT_ALLOWED" 405 false "The method is not allowed here",
    NotAcceptable "NOT_ACCEPTABLE" 406 false "The answer cannot be given in an accepted form",
    RequestTimeout "REQUEST_TIMEOUT" 408 true "The request took too long to arrive",
    Conflict "CONFLICT" 409 false "The request conflicts with the current state",
    PromoCodeRedeemed "PROMO_CODE_REDEEMED" 409 false "You have redeemed this code already",
    IdempotencyConflict "IDEMPOTENCY_CONFLICT" 409 false "The Idempotency-Key was used with another request",
    Gone "GONE" 410 false "No longer available",
    PayloadTooLarge "PAYLOAD_TOO_LARGE" 413 false "The request body is too large",
    UriTooLong "URI_TOO_LONG" 414 false "The address is too long",
    UnsupportedMediaType "UNSUPPORTED_MEDIA_TYPE" 415 false "The content type is not supported",
    UpgradeRequired "UPGRADE_REQUIRED" 426 false "This address speaks WebSocket",
    RateLimitExceeded "RATE_LIMIT_EXCEEDED" 429 true "Too many requests, please try again later",
    HeadersTooLarge "HEADERS_TOO_LARGE" 431 false "The request headers are too large",
    Internal "INTERNAL_ERROR" 500 true "An unexpected error occurred",
    NotImplemented "NOT_IMPLEMENTED" 501 false "Not available on this hub",
    ProviderError "PROVIDER_ERROR" 502 true "The provider answered with an error",
    AllProvidersFailed "ALL_PROVIDERS_FAILED" 502 true "All providers failed",
    BadGateway "BAD_GATEWAY" 502 true "A part of the hub cannot be reached",
    Unavailable "SERVICE_UNAVAILABLE" 503 true "Temporarily unavailable, please try again",
    GatewayTimeout "GATEWAY_TIMEOUT" 504 true "The answer took too long",
}

impl ErrorCode {
    /// The code of a bare HTTP status, for answers that were made outside our rules (404 of the router, 405, 413, …).
    pub fn from_status(status: u16) -> Self {
        match status {
            401 => Self::Authentication,
            402 => Self::InsufficientCredits,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            406 => Self::NotAcceptable,
            408 => Self::RequestTimeout,
            409 => Self::Conflict,
            410 => Self::Gone,
            413 => Self::PayloadTooLarge,
            414 => Self::UriTooLong,
            415 => Self::UnsupportedMediaType,
            426 => Self::UpgradeRequired,
            429 => Self::RateLimitExceeded,
            431 => Self::HeadersTooLarge,
            502 => Self::BadGateway,
            503 => Self::Unavailable,
            504 => Self::GatewayTimeout,
            400..=499 => Self::Validation,
            _ => Self::Internal,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_match_their_status() {
        let mut seen = std::collections::HashSet::new();
        for code in ErrorCode::ALL {
            assert!(seen.insert(code.as_str()), "{code} stands twice");
            assert!((400..=599).contains(&code.status()));
        }
    }
}

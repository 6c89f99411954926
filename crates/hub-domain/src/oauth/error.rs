//! Why nobody is signed in by a provider.

use std::time::Duration;

use hub_cache::CacheError;
use hub_clients::oauth::OAuthError;
use hub_store::StoreError;

use crate::identity::FactorError;
use crate::sealing::SealError;
use crate::sessions::{FreshError, IssueError};

/// Why nobody is signed in, or nothing is tied.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// No such provider is configured.
    #[error("no such sign-in provider")]
    UnknownProvider,
    /// The return path is not a path of this site.
    #[error("must be a path of this site, such as /chat")]
    ReturnPath,
    /// The state or code is missing, unknown, used, expired, or another browser's. Deliberately one case.
    #[error("this sign-in is over or was begun in another browser")]
    Stale,
    /// The person, or the provider, said no.
    #[error("the provider did not sign anybody in")]
    Declined,
    /// The provider tells no address, and no account is tied to this identity.
    #[error("the provider tells no e-mail address")]
    NoAddress,
    /// The provider does not vouch for the address. Its owner has got a mail; whether there is an account stays open.
    #[error("the provider does not vouch for the address")]
    Unproven,
    /// The account is tied to another account at this provider.
    #[error("another account of this provider is linked")]
    AlreadyLinked,
    /// The identity opens somebody else's account.
    #[error("the identity belongs to another account")]
    Taken,
    /// The operator does not let strangers register.
    #[error("registration is closed")]
    Closed,
    /// The account was switched off or deleted.
    #[error("the account cannot be used")]
    Disabled,
    /// Only a signed-in session can tie an identity.
    #[error("only a signed-in session may do this")]
    NeedsSession,
    /// Only a person who has just proved who they are can.
    #[error("the sign-in is too long ago")]
    NotFresh,
    /// The account has a second factor: it is missing, wrong or was used. What was shown still works.
    #[error("the second factor is required")]
    SecondFactor {
        /// True when there was a code, and it was not right.
        wrong: bool,
    },
    /// Too many wrong second factors.
    #[error("too many wrong codes")]
    Throttled(Duration),
    /// The second factor cannot be checked: the sealing secret was changed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The provider did not answer in time.
    #[error("the sign-in provider is too slow")]
    ProviderSlow,
    /// The provider cannot be reached, refuses us, or says what cannot be believed.
    #[error("the sign-in provider failed")]
    Provider(#[source] OAuthError),
    /// The cache failed: a secret that could be used twice is not worth having.
    #[error("the cache failed")]
    Cache(#[from] CacheError),
    /// Tokens could not be made.
    #[error(transparent)]
    Issue(#[from] IssueError),
}

impl From<OAuthError> for SignInError {
    fn from(error: OAuthError) -> Self {
        match error {
            // The provider's code was used, has expired or was made up: as with our own state, begin again.
            OAuthError::Code => Self::Stale,
            OAuthError::Timeout => Self::ProviderSlow,
            error => Self::Provider(error),
        }
    }
}

impl From<FactorError> for SignInError {
    fn from(error: FactorError) -> Self {
        match error {
            FactorError::Seal(error) => Self::Seal(error),
            FactorError::Store(error) => error.into(),
            FactorError::Throttled(wait) => Self::Throttled(wait),
            // Checking a code gives only the ones above.
            FactorError::Proof(_) | FactorError::On | FactorError::Off | FactorError::Wrong => {
                Self::SecondFactor { wrong: true }
            }
        }
    }
}

impl From<FreshError> for SignInError {
    fn from(error: FreshError) -> Self {
        match error {
            FreshError::NeedsSession => Self::NeedsSession,
            FreshError::Stale => Self::NotFresh,
            FreshError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for SignInError {
    fn from(error: StoreError) -> Self {
        Self::Issue(error.into())
    }
}

//! Why a rule about providers says no.

use hub_store::StoreError;

use crate::rbac::Denied;
use crate::sealing::SealError;

/// The refusals of managing providers. None holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum ProvidersError {
    /// The caller lacks `providers:update`.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// There is no provider of this name.
    #[error("no such provider")]
    UnknownProvider,
    /// The provider has no credential of this label that can be changed here.
    #[error("no such credential")]
    UnknownCredential,
    /// It is in the settings: this can only be changed there.
    #[error("the settings decide this")]
    Settings,
    /// Its credentials were given for its present address; they must not be sent to another.
    #[error("the provider has credentials for its present address")]
    BoundToAddress,
    /// The label is taken.
    #[error("the label is taken")]
    Taken,
    /// There are too many.
    #[error("there are too many")]
    TooMany,
    /// A field is out of bounds.
    #[error("{field}: {message}")]
    Invalid {
        /// Which field.
        field: &'static str,
        /// What is allowed.
        message: &'static str,
    },
    /// A secret cannot be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] StoreError),
}

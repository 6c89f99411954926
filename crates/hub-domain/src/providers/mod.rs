//! Managing providers and their credentials while the hub runs. Everything here needs `providers:update`, leaves an audit row, and acts in
//! every process within a few seconds.
//!
//! A secret comes in once, is sealed for its provider, its address and itself, and never goes out again: not in an answer, a log line or an
//! audit row. What is told of it is its label and its last characters.

mod check;
mod credentials;
mod delete;
mod error;
mod list;
mod load;
mod put;
mod test;
mod update;

pub use credentials::{
    CredentialChange, NewCredential, add as add_credential, delete as delete_credential, update as update_credential,
};
pub use delete::delete;
pub use error::ProvidersError;
pub use list::{CredentialInfo, ProviderInfo, list, of};
pub use load::{follow, refresh};
pub use put::{NewProvider, put};
pub use test::{Tried, try_out};
pub use update::{ProviderChange, update};

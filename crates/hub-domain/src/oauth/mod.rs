//! Sign-in with an account of another service. What comes back is an identity, `(provider, subject)`; whose account it opens is decided
//! here.
//!
//! Invariants: an address ties an identity to an account only when both sides have proven it; an account exists only after its mailbox
//! was proven; state, exchange code and device session each work once, by one atomic step; no token ever stands in an address. The
//! cache holds hashes of all of them, never the secrets. A cache that is gone means no sign-in this way, never an unchecked one.

mod account;
mod attempt;
mod callback;
pub mod device;
mod error;
mod exchange;
mod identities;
mod mails;
mod registry;
mod return_path;
mod start;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hub_types::random_bytes;

pub use attempt::Browser;
pub use callback::{Asker, CallbackAnswer, Finished, finish};
pub use error::SignInError;
pub use exchange::exchange;
pub use identities::{IdentityError, LinkedIdentity, list_identities, unlink};
pub use registry::Registry;
pub use return_path::ReturnPath;
pub use start::{begin_device, begin_link, begin_sign_in};

use crate::Hub;

/// How long a sign-in that was begun can be finished.
const LIFE: std::time::Duration = std::time::Duration::from_mins(10);

/// 256 random bits, as 43 characters.
fn secret() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes::<32>())
}

/// True for text that could be one of our secrets.
fn is_secret(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Where a provider sends browsers back to; to be registered there exactly so. Never taken from a request.
pub fn redirect_uri(hub: &Hub, provider: &str) -> String {
    format!("{}/api/auth/oauth/{provider}/callback", hub.settings.identity.public_url)
}

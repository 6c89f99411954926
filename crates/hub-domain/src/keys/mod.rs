//! API keys: made, shown once, listed and taken back. Only the SHA-256 of a key is kept; 256 random bits need no slow hash.
//!
//! Rotation makes the next key of the same line; budget, limits, scopes, models and addresses belong to the line.
//! A key can never manage keys: its caller holds no `keys:*` permission (see `access`), so these rules refuse it.

mod create;
mod input;
mod read;
mod rotate;
mod update;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hub_store::StoreError;
use hub_store::keys as store;
pub use hub_store::keys::ApiKey;
use hub_types::{ApiKeyId, Caller, Permission, random_bytes};

pub use create::{CreatedKey, create, create_for};
pub use input::NewKey;
pub use read::{budgets, count, get, list};
pub use rotate::{Rotated, rotate};
pub use update::{KeyChange, update};

use crate::access::{self, Door};
use crate::audit::{self, Event};
use crate::identity::notices;
use crate::rbac::{self, Denied};
use crate::sessions::sha256;
use crate::{Hub, Origin};

const PREFIX: &str = "sk_";
/// Characters of base64url for 32 bytes.
const BODY: usize = 43;
/// Characters of a key shown in lists, its prefix included.
const SHOWN: usize = 12;

/// Why a rule about keys says no.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The caller lacks the permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// A field is out of bounds.
    #[error("{field}: {message}")]
    Invalid {
        /// Which field.
        field: &'static str,
        /// What is allowed.
        message: String,
    },
    /// The user has as many live keys as one may have.
    #[error("too many API keys")]
    TooMany,
    /// Another key took its place, or it has ended.
    #[error("the key was replaced or has ended")]
    Ended,
    /// No such key, or not the caller's.
    #[error("no such key")]
    NotFound,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The hash a key is looked up by; `None` for text that cannot be a key.
pub(crate) fn hash_of(key: &str) -> Option<[u8; 32]> {
    let body = key.strip_prefix(PREFIX)?;
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (body.len() == BODY && body.bytes().all(letters)).then(|| sha256(key.as_bytes()))
}

fn random_key() -> String {
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random_bytes::<32>()))
}

/// Takes one of the caller's keys back; it stops working within two seconds everywhere. Needs `keys:delete`.
pub async fn revoke(hub: &Hub, caller: &Caller, origin: &Origin, id: ApiKeyId) -> Result<(), KeyError> {
    rbac::require(caller, Permission::KeysDelete)?;
    let mut tx = hub.store.write().await?;
    let revoked = store::revoke(&mut tx, id, caller.user, hub.clock.now()).await?;
    let (hash, prefix) = revoked.ok_or(KeyError::NotFound)?;
    let event = Event::new("key.revoked").by(caller).on("key", &id.to_string()).about(caller.user);
    audit::record(hub, &mut tx, origin, event).await?;
    notices::key_revoked(hub, &mut tx, &caller.email, &prefix).await?;
    tx.commit().await?;
    access::forget(hub, vec![Door::KeyHash(hash), Door::Key(id)]).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_shape_and_nothing_else_is_looked_up() {
        let key = random_key();
        assert!(hash_of(&key).is_some());
        assert_eq!(key.len(), 46);
        for bad in
            [format!("{key} "), key.to_uppercase(), key[..45].to_owned(), key.replace("sk_", "pk_"), format!("{key}a")]
        {
            assert!(hash_of(&bad).is_none() || hash_of(&bad) != hash_of(&key), "{bad}");
        }
        assert!(hash_of("sk_").is_none() && hash_of("").is_none());
    }
}

//! One-time tickets for WebSockets, which cannot send an `Authorization` header from a browser. A ticket lives 30 seconds, works
//! once, and grants what its maker's credential grants at that moment.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hub_cache::CacheError;
use hub_types::{ApiKeyId, Caller, Credential, SessionId, random_bytes};
use serde::{Deserialize, Serialize};

use super::principal::{Door, find};
use super::{AccessError, admit};
use crate::Hub;
use crate::sessions::sha256;

const LIFE: Duration = Duration::from_secs(30);
const PREFIX: &str = "wst_";

#[derive(Serialize, Deserialize)]
enum Maker {
    Session(SessionId),
    Key(ApiKeyId),
}

/// Makes a ticket for the caller. Fails with the cache: a ticket that could be used twice is not worth having.
pub async fn issue_ticket(hub: &Hub, caller: &Caller) -> Result<String, TicketError> {
    let maker = match caller.credential {
        Credential::Session(id) => Maker::Session(id),
        Credential::ApiKey(id) => Maker::Key(id),
        // A socket is for spending, which nobody does in somebody else's name.
        Credential::Impersonation(_) | Credential::Operator => return Err(TicketError::NoCredential),
    };
    let ticket = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random_bytes::<32>()));
    hub.cache.put_json(&slot(&ticket), &maker, LIFE).await?;
    Ok(ticket)
}

/// Uses a ticket up. Of any number of attempts at most one gets the caller.
pub async fn redeem_ticket(hub: &Hub, ticket: &str, address: Option<IpAddr>) -> Result<Caller, AccessError> {
    if !ticket.starts_with(PREFIX) || ticket.len() > 100 {
        return Err(AccessError::Invalid);
    }
    let maker = hub.cache.take_json(&slot(ticket)).await.map_err(|error| {
        tracing::warn!(%error, "the cache is gone, tickets cannot be used");
        AccessError::Invalid
    })?;
    let door = match maker {
        Some(Maker::Session(id)) => Door::Session(id),
        Some(Maker::Key(id)) => Door::Key(id),
        None => return Err(AccessError::Invalid),
    };
    admit(hub, find(hub, &door).await?, address)
}

/// Why there is no ticket.
#[derive(Debug, thiserror::Error)]
pub enum TicketError {
    /// The command line has no connection to open.
    #[error("no credential to make a ticket for")]
    NoCredential,
    /// The cache failed.
    #[error("the cache failed")]
    Cache(#[from] CacheError),
}

/// The cache never sees the ticket itself.
fn slot(ticket: &str) -> String {
    format!("ws-ticket:{}", hex::encode(sha256(ticket.as_bytes())))
}

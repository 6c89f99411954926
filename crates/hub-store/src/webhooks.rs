//! The inbox of events from payment providers: each is written down once, answered, and worked off by a job.

use hub_types::Timestamp;
use serde_json::Value;
use sqlx::types::Json;

use crate::{Result, Tx};

statements! {
    RECEIVE = "INSERT INTO webhook_events (provider, event_id, kind, payload, received_at) VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (provider, event_id) DO NOTHING";
    // Held until the transaction ends, so that two workers never apply one event; SQLite has one writer anyway.
    TAKE = postgres: "SELECT payload FROM webhook_events WHERE provider = $1 AND event_id = $2 AND processed_at IS NULL FOR UPDATE",
           lite: "SELECT payload FROM webhook_events WHERE provider = $1 AND event_id = $2 AND processed_at IS NULL";
    DONE = "UPDATE webhook_events SET processed_at = $3, last_error = $4 WHERE provider = $1 AND event_id = $2 AND processed_at IS NULL";
    PRUNE = "DELETE FROM webhook_events WHERE processed_at < $1";
}

/// An event as it came.
#[derive(Debug, Clone)]
pub struct Received<'a> {
    /// From whom.
    pub provider: &'a str,
    /// The provider's id of it.
    pub id: &'a str,
    /// The provider's word for what happened.
    pub kind: &'a str,
    /// What the hub keeps of it: no addresses, no card data.
    pub payload: &'a Value,
    /// When.
    pub at: Timestamp,
}

/// Writes an event down; `false` when it was known.
pub async fn receive(tx: &mut Tx, event: &Received<'_>) -> Result<bool> {
    let payload = Json(event.payload);
    Ok(run!(tx, execute, RECEIVE, event.provider, event.id, event.kind, payload, event.at)? == 1)
}

/// What an event holds that was not worked off yet; `None` when it was, or is not known.
pub async fn take(tx: &mut Tx, provider: &str, id: &str) -> Result<Option<Value>> {
    let payload: Option<Json<Value>> = run!(tx, scalar, TAKE, provider, id)?;
    Ok(payload.map(|Json(value)| value))
}

/// Marks an event worked off, with why it was refused, if it was.
pub async fn done(tx: &mut Tx, provider: &str, id: &str, refusal: Option<&str>, now: Timestamp) -> Result<()> {
    run!(tx, execute, DONE, provider, id, now, refusal)?;
    Ok(())
}

/// Deletes events worked off before this; returns how many.
pub async fn prune(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    Ok(run!(tx, execute, PRUNE, before)?)
}

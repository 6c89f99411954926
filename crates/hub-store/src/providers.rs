//! Providers and credentials that administrators added or changed while the hub ran. Secrets come here sealed.

use hub_types::Timestamp;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{Result, Tx};

statements! {
    VERSION = "SELECT version FROM provider_changes WHERE id = 1";
    BUMP = "UPDATE provider_changes SET version = version + 1 WHERE id = 1";
    ALL = "SELECT name, kind, service, base_url, priority, enabled, max_concurrent, requests_per_minute, tokens_per_minute,
             wires, hosted_tools
           FROM providers ORDER BY created_at, name";
    PUT = "INSERT INTO providers (name, kind, service, base_url, priority, enabled, max_concurrent, requests_per_minute,
             tokens_per_minute, wires, hosted_tools, created_at, updated_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)
           ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, service = excluded.service, base_url = excluded.base_url,
             priority = excluded.priority, enabled = excluded.enabled, max_concurrent = excluded.max_concurrent,
             requests_per_minute = excluded.requests_per_minute, tokens_per_minute = excluded.tokens_per_minute,
             wires = excluded.wires, hosted_tools = excluded.hosted_tools, updated_at = excluded.updated_at";
    DELETE = "DELETE FROM providers WHERE name = $1";
    CREDENTIALS = "SELECT id, provider, label, base_url, secret_sealed, hint, weight, priority, enabled
                   FROM provider_credentials ORDER BY provider, id";
    ADD_CREDENTIAL = "INSERT INTO provider_credentials (id, provider, label, base_url, secret_sealed, hint, weight, priority, enabled,
                        created_at, updated_at)
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)";
    SET_CREDENTIAL = "UPDATE provider_credentials SET weight = $3, priority = $4, enabled = $5, updated_at = $6
                      WHERE provider = $1 AND label = $2";
    DELETE_CREDENTIAL = "DELETE FROM provider_credentials WHERE provider = $1 AND label = $2";
    DELETE_CREDENTIALS = "DELETE FROM provider_credentials WHERE provider = $1";
}

/// A provider as stored.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ProviderRow {
    /// Its name.
    pub name: String,
    /// `openai`, `anthropic` or `compatible`; `None`: the provider is in the settings, and this row only says what was changed of it.
    pub kind: Option<String>,
    /// The word under which its models have prices.
    pub service: String,
    /// Its address.
    pub base_url: String,
    /// Lower ones are tried first.
    pub priority: Option<i32>,
    /// Whether it is used.
    pub enabled: bool,
    /// Calls at the same time; 0 for no ceiling, `None` for that of the settings.
    pub max_concurrent: Option<i64>,
    /// Calls per minute, likewise.
    pub requests_per_minute: Option<i64>,
    /// Tokens per minute, likewise.
    pub tokens_per_minute: Option<i64>,
    /// Words of the wires it speaks; `None` where no administrator named any.
    #[sqlx(json(nullable))]
    pub wires: Option<Vec<String>>,
    /// Types of tools it may run itself; likewise.
    #[sqlx(json(nullable))]
    pub hosted_tools: Option<Vec<String>>,
}

/// A credential as stored.
#[derive(Clone, FromRow)]
pub struct CredentialRow {
    /// Its id; what its secret is sealed for.
    pub id: Uuid,
    /// Of which provider.
    pub provider: String,
    /// The administrator's name for it; unique for the provider.
    pub label: String,
    /// The address it was given for, and no other.
    pub base_url: Option<String>,
    /// The sealed secret.
    pub secret_sealed: Vec<u8>,
    /// The last characters of the secret.
    pub hint: String,
    /// Its part among the credentials of the same priority.
    pub weight: i32,
    /// Lower ones are tried first.
    pub priority: i32,
    /// Whether it is used.
    pub enabled: bool,
}

/// How many changes there were. Two equal answers mean that nothing changed in between.
pub async fn version(tx: &mut Tx) -> Result<i64> {
    let version: Option<i64> = run!(tx, scalar, VERSION)?;
    Ok(version.unwrap_or(0))
}

/// Begins a change: counts it, and makes other changes wait until this one is committed.
pub async fn begin_change(tx: &mut Tx) -> Result<()> {
    run!(tx, execute, BUMP)?;
    Ok(())
}

/// Every provider that has a row, oldest first.
pub async fn all(tx: &mut Tx) -> Result<Vec<ProviderRow>> {
    Ok(run!(tx, rows, ALL)?)
}

/// Writes a provider's row, in place of the one it may have.
pub async fn put(tx: &mut Tx, row: &ProviderRow, now: Timestamp) -> Result<()> {
    run!(
        tx,
        execute,
        PUT,
        &row.name,
        &row.kind,
        &row.service,
        &row.base_url,
        row.priority,
        row.enabled,
        row.max_concurrent,
        row.requests_per_minute,
        row.tokens_per_minute,
        row.wires.as_ref().map(Json),
        row.hosted_tools.as_ref().map(Json),
        now,
    )?;
    Ok(())
}

/// Deletes a provider's row and all its credentials; `false` when it had no row.
pub async fn delete(tx: &mut Tx, name: &str) -> Result<bool> {
    run!(tx, execute, DELETE_CREDENTIALS, name)?;
    Ok(run!(tx, execute, DELETE, name)? == 1)
}

/// Every credential, by provider and age.
pub async fn credentials(tx: &mut Tx) -> Result<Vec<CredentialRow>> {
    Ok(run!(tx, rows, CREDENTIALS)?)
}

/// Adds a credential. `StoreError::Duplicate`: the provider has one of this label.
pub async fn add_credential(tx: &mut Tx, row: &CredentialRow, now: Timestamp) -> Result<()> {
    run!(
        tx,
        execute,
        ADD_CREDENTIAL,
        row.id,
        &row.provider,
        &row.label,
        &row.base_url,
        &row.secret_sealed,
        &row.hint,
        row.weight,
        row.priority,
        row.enabled,
        now,
    )?;
    Ok(())
}

/// Changes weight, priority and whether it is used; `false` when there is no such credential.
pub async fn set_credential(tx: &mut Tx, row: &CredentialRow, now: Timestamp) -> Result<bool> {
    let changed =
        run!(tx, execute, SET_CREDENTIAL, &row.provider, &row.label, row.weight, row.priority, row.enabled, now)?;
    Ok(changed == 1)
}

/// Deletes a credential; `false` when there is none.
pub async fn delete_credential(tx: &mut Tx, provider: &str, label: &str) -> Result<bool> {
    Ok(run!(tx, execute, DELETE_CREDENTIAL, provider, label)? == 1)
}

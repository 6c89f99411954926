//! Names for a report, all in one question. History outlives what it describes: deleted accounts and keys keep their names.

use hub_types::{ApiKeyId, UserId};
use sqlx::{Database, Encode, FromRow, QueryBuilder, Type};
use uuid::Uuid;

use crate::{Result, Tx};

/// What something is called.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Name {
    /// The id of the account or key.
    pub id: Uuid,
    /// The address or the key's name.
    pub name: String,
    /// True when the account was deleted or the key taken back.
    pub deleted: bool,
}

/// The addresses of these accounts; who never was is left out.
pub async fn of_users(tx: &mut Tx, ids: &[UserId]) -> Result<Vec<Name>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    Ok(on!(tx, |c, _s| {
        let mut query =
            QueryBuilder::new("SELECT id, email AS name, deleted_at IS NOT NULL AS deleted FROM users WHERE id IN (");
        list(&mut query, ids.iter().map(|id| id.0));
        query.build_query_as().persistent(false).fetch_all(c).await
    })?)
}

/// The names of these keys; what never was is left out.
pub async fn of_keys(tx: &mut Tx, ids: &[ApiKeyId]) -> Result<Vec<Name>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    Ok(on!(tx, |c, _s| {
        let mut query =
            QueryBuilder::new("SELECT id, name, revoked_at IS NOT NULL AS deleted FROM api_keys WHERE id IN (");
        list(&mut query, ids.iter().map(|id| id.0));
        query.build_query_as().persistent(false).fetch_all(c).await
    })?)
}

fn list<DB: Database>(query: &mut QueryBuilder<DB>, ids: impl Iterator<Item = Uuid>)
where
    for<'q> Uuid: Encode<'q, DB> + Type<DB>,
{
    let mut list = query.separated(", ");
    ids.for_each(|id| {
        list.push_bind(id);
    });
    query.push(")");
}

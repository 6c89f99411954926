//! Permissions as rows: the hub's own, and those that its operators made for programs of theirs. Never decides who may make one.

use hub_types::{PermissionId, RoleId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::{Result, Tx};

statements! {
    LIST = "SELECT id, name, resource, action, description FROM permissions ORDER BY name LIMIT 1000";
    BY_ID = "SELECT id, name, resource, action, description FROM permissions WHERE id = $1";
    COUNT = "SELECT COUNT(*) FROM permissions";
    KNOWN = "SELECT COUNT(*) FROM permissions WHERE name = $1";
    INSERT = "INSERT INTO permissions (id, name, resource, action, description) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
    DESCRIBE = "UPDATE permissions SET description = $2 WHERE id = $1";
    ROLES_WITH = "SELECT role_id FROM role_permissions WHERE permission_id = $1 ORDER BY role_id";
    CLEAR = "DELETE FROM role_permissions WHERE permission_id = $1";
    DELETE = "DELETE FROM permissions WHERE id = $1";
}

/// A permission as stored.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Permission {
    /// Its id.
    #[sqlx(try_from = "Uuid")]
    pub id: PermissionId,
    /// `resource:action`, unique.
    pub name: String,
    /// What it is about.
    pub resource: String,
    /// What may be done.
    pub action: String,
    /// One line for lists.
    pub description: String,
}

/// All permissions by name; 1000 at most.
pub async fn list(tx: &mut Tx) -> Result<Vec<Permission>> {
    Ok(run!(tx, rows, LIST)?)
}

/// The permission with this id.
pub async fn by_id(tx: &mut Tx, id: PermissionId) -> Result<Option<Permission>> {
    Ok(run!(tx, row, BY_ID, id.0)?)
}

/// How many there are.
pub async fn count(tx: &mut Tx) -> Result<i64> {
    let count: Option<i64> = run!(tx, scalar, COUNT)?;
    Ok(count.unwrap_or(0))
}

/// True when there is a permission of this name.
pub async fn is_known(tx: &mut Tx, name: &str) -> Result<bool> {
    let count: Option<i64> = run!(tx, scalar, KNOWN, name)?;
    Ok(count == Some(1))
}

/// Makes a permission; `false` when the name is taken.
pub async fn insert(tx: &mut Tx, new: &Permission) -> Result<bool> {
    let Permission { id, name, resource, action, description } = new;
    Ok(run!(tx, execute, INSERT, id.0, name, resource, action, description)? == 1)
}

/// Changes the description.
pub async fn describe(tx: &mut Tx, id: PermissionId, description: &str) -> Result<()> {
    run!(tx, execute, DESCRIBE, id.0, description)?;
    Ok(())
}

/// Deletes a permission, and takes it from the roles that are returned.
pub async fn delete(tx: &mut Tx, id: PermissionId) -> Result<Vec<RoleId>> {
    let roles: Vec<Uuid> = run!(tx, scalars, ROLES_WITH, id.0)?;
    run!(tx, execute, CLEAR, id.0)?;
    run!(tx, execute, DELETE, id.0)?;
    Ok(roles.into_iter().map(RoleId).collect())
}

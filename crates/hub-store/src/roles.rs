//! Roles, permissions and who holds them. Never decides whether a grant is allowed: that is `hub_domain::rbac`.

use hub_types::{Clock, Permission, PermissionId, RoleId, SystemRole, Timestamp, UserId};
use sqlx::FromRow;

use crate::{Result, Tx};

statements! {
    SEED_PERMISSION = "INSERT INTO permissions (id, name, resource, action, description) VALUES ($1, $2, $3, $4, $5)
                       ON CONFLICT DO NOTHING";
    SEED_ROLE = "INSERT INTO roles (id, name, description, is_system, rank, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (name) DO NOTHING";
    GRANT = "INSERT INTO role_permissions (role_id, permission_id, granted_at)
             SELECT r.id, p.id, $3 FROM roles r CROSS JOIN permissions p WHERE r.name = $1 AND p.name = $2
             ON CONFLICT DO NOTHING";
    GRANT_ALL = "INSERT INTO role_permissions (role_id, permission_id, granted_at)
                 SELECT r.id, p.id, $2 FROM roles r CROSS JOIN permissions p WHERE r.name = $1
                 ON CONFLICT DO NOTHING";
    BY_NAME = "SELECT id, name, description, is_system, rank FROM roles WHERE name = $1";
    BY_ID = "SELECT id, name, description, is_system, rank FROM roles WHERE id = $1";
    OVERVIEW = "SELECT r.id, r.name, r.description, r.is_system, r.rank,
                  (SELECT string_agg(p.name, ',' ORDER BY p.name)
                   FROM role_permissions g JOIN permissions p ON p.id = g.permission_id WHERE g.role_id = r.id) AS permissions,
                  (SELECT COUNT(*) FROM user_roles u WHERE u.role_id = r.id) AS holders
                FROM roles r WHERE (r.id = $1 OR $1 IS NULL) ORDER BY r.rank DESC, r.name LIMIT 500";
    COUNT_CUSTOM = "SELECT COUNT(*) FROM roles WHERE NOT is_system";
    UPDATE = "UPDATE roles SET name = $2, description = $3, rank = $4, updated_at = $5 WHERE id = $1";
    CLEAR = "DELETE FROM role_permissions WHERE role_id = $1";
    DELETE = "DELETE FROM roles WHERE id = $1 AND NOT is_system AND NOT EXISTS (SELECT 1 FROM user_roles WHERE role_id = $1)";
    DENY = "DELETE FROM role_permissions WHERE role_id = $1 AND permission_id IN (SELECT id FROM permissions WHERE name = $2)";
    // Sorted by id, the order in which everybody locks several users.
    LOCK_HOLDERS = postgres: "SELECT id FROM users WHERE id IN (SELECT user_id FROM user_roles WHERE role_id = $1) AND id > $2
                              ORDER BY id LIMIT $3 FOR NO KEY UPDATE",
                   lite: "SELECT id FROM users WHERE id IN (SELECT user_id FROM user_roles WHERE role_id = $1) AND id > $2
                          ORDER BY id LIMIT $3";
    BUMP_HOLDERS = "UPDATE users SET auth_version = auth_version + 1, updated_at = $4
                    WHERE id IN (SELECT user_id FROM user_roles WHERE role_id = $1) AND id > $2 AND id <= $3";
    PERMISSIONS_OF_ROLE = "SELECT p.name FROM role_permissions g JOIN permissions p ON p.id = g.permission_id
                           WHERE g.role_id = $1 ORDER BY p.name";
    // One row stands for all rights: every change of them waits here. NO KEY, because giving a role must not wait for a reader
    // of its key. SQLite has one writer anyway.
    LOCK_RIGHTS = postgres: "SELECT id FROM roles WHERE name = $1 FOR NO KEY UPDATE", lite: "SELECT id FROM roles WHERE name = $1";
    LIST = "SELECT id, name, description, is_system, rank FROM roles ORDER BY rank, name LIMIT 500";
    HELD_BY = "SELECT r.id, r.name, r.description, r.is_system, r.rank FROM user_roles u JOIN roles r ON r.id = u.role_id
               WHERE u.user_id = $1 ORDER BY r.rank DESC, r.name";
    ROLES_OF = "SELECT r.name FROM user_roles u JOIN roles r ON r.id = u.role_id WHERE u.user_id = $1 ORDER BY r.rank DESC, r.name";
    PERMISSIONS_OF = "SELECT DISTINCT p.name FROM user_roles u
                        JOIN role_permissions g ON g.role_id = u.role_id JOIN permissions p ON p.id = g.permission_id
                      WHERE u.user_id = $1 ORDER BY p.name";
    ASSIGN = "INSERT INTO user_roles (user_id, role_id, assigned_at, assigned_by) VALUES ($1, $2, $3, $4)
              ON CONFLICT (user_id, role_id) DO NOTHING";
    UNASSIGN = "DELETE FROM user_roles WHERE user_id = $1 AND role_id = $2";
    HOLDERS = "SELECT COUNT(*) FROM user_roles u JOIN users a ON a.id = u.user_id
               WHERE u.role_id = $1 AND a.status = 'active' AND a.verified AND a.deleted_at IS NULL";
}

/// A role as stored.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Role {
    /// Its id.
    #[sqlx(try_from = "uuid::Uuid")]
    pub id: RoleId,
    /// Its name, unique.
    pub name: String,
    /// One line for lists.
    pub description: String,
    /// True for the four that every hub has.
    pub is_system: bool,
    /// Place in the hierarchy; higher is mightier.
    pub rank: i32,
}

/// A role with what it permits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// The role.
    pub role: Role,
    /// Names of everything it permits, sorted.
    pub permissions: Vec<String>,
    /// Accounts that hold it, deleted ones included.
    pub holders: i64,
}

#[derive(FromRow)]
struct OverviewRow {
    #[sqlx(flatten)]
    role: Role,
    permissions: Option<String>,
    holders: i64,
}

impl From<OverviewRow> for Overview {
    fn from(row: OverviewRow) -> Self {
        // No permission has a comma in its name.
        let permissions = row.permissions.map(|names| names.split(',').map(str::to_owned).collect());
        Self { role: row.role, permissions: permissions.unwrap_or_default(), holders: row.holders }
    }
}

/// Holders whose access tokens are voided by one statement.
const BATCH: i64 = 1000;

/// Makes the permissions and system roles that this program knows and the database lacks. Safe to repeat, also from several
/// processes at once. Admins always get every permission; another system role gets its own only when the role is first
/// made, so that an operator's later changes stay.
pub async fn seed(tx: &mut Tx, clock: &Clock) -> Result<()> {
    let now = clock.now();
    for permission in Permission::ALL {
        let id = PermissionId::new(clock);
        let (name, resource, action) = (permission.name(), permission.resource(), permission.action());
        run!(tx, execute, SEED_PERMISSION, id.0, name, resource, action, permission.description())?;
    }
    for role in SystemRole::ALL {
        let id = RoleId::new(clock);
        let made = run!(tx, execute, SEED_ROLE, id.0, role.name(), role.description(), true, role.rank(), now)? == 1;
        if role == SystemRole::Admin {
            run!(tx, execute, GRANT_ALL, role.name(), now)?;
        } else if made {
            for permission in role.permissions() {
                run!(tx, execute, GRANT, role.name(), permission.name(), now)?;
            }
        }
    }
    Ok(())
}

/// The role of that name.
pub async fn by_name(tx: &mut Tx, name: &str) -> Result<Option<Role>> {
    Ok(run!(tx, row, BY_NAME, name)?)
}

/// The role with this id.
pub async fn by_id(tx: &mut Tx, id: RoleId) -> Result<Option<Role>> {
    Ok(run!(tx, row, BY_ID, id.0)?)
}

/// Roles with what they permit, mightiest first; 500 at most.
pub async fn overview(tx: &mut Tx) -> Result<Vec<Overview>> {
    let rows: Vec<OverviewRow> = run!(tx, rows, OVERVIEW, None::<uuid::Uuid>)?;
    Ok(rows.into_iter().map(Overview::from).collect())
}

/// The same of one role.
pub async fn overview_of(tx: &mut Tx, id: RoleId) -> Result<Option<Overview>> {
    let row: Option<OverviewRow> = run!(tx, row, OVERVIEW, Some(id.0))?;
    Ok(row.map(Overview::from))
}

/// How many roles were made here.
pub async fn count_custom(tx: &mut Tx) -> Result<i64> {
    let count: Option<i64> = run!(tx, scalar, COUNT_CUSTOM)?;
    Ok(count.unwrap_or(0))
}

/// Makes a role; `false` when the name is taken.
pub async fn insert(tx: &mut Tx, role: &Role, now: Timestamp) -> Result<bool> {
    let Role { id, name, description, is_system, rank } = role;
    Ok(run!(tx, execute, SEED_ROLE, id.0, name, description, is_system, rank, now)? == 1)
}

/// Stores what is new about a role. Fails with `StoreError::Duplicate` when the name is taken.
pub async fn update(tx: &mut Tx, role: &Role, now: Timestamp) -> Result<()> {
    run!(tx, execute, UPDATE, role.id.0, &role.name, &role.description, role.rank, now)?;
    Ok(())
}

/// Deletes a role with its permissions; `false` when it is a system role or somebody holds it. Roll back then.
pub async fn delete(tx: &mut Tx, id: RoleId) -> Result<bool> {
    run!(tx, execute, CLEAR, id.0)?;
    Ok(run!(tx, execute, DELETE, id.0)? == 1)
}

/// Lets a role permit something; `false` when it does already or there is no such permission.
pub async fn allow(tx: &mut Tx, role: &Role, permission: &str, now: Timestamp) -> Result<bool> {
    Ok(run!(tx, execute, GRANT, &role.name, permission, now)? == 1)
}

/// Takes a permission from a role; `false` when it does not have it.
pub async fn deny(tx: &mut Tx, role: RoleId, permission: &str) -> Result<bool> {
    Ok(run!(tx, execute, DENY, role.0, permission)? == 1)
}

/// Voids every access token of everybody who holds the role, a thousand accounts at a time.
pub async fn bump_holders(tx: &mut Tx, role: RoleId, now: Timestamp) -> Result<()> {
    let mut after = uuid::Uuid::nil();
    loop {
        let ids: Vec<uuid::Uuid> = run!(tx, scalars, LOCK_HOLDERS, role.0, after, BATCH)?;
        let Some(last) = ids.last() else { return Ok(()) };
        run!(tx, execute, BUMP_HOLDERS, role.0, after, last, now)?;
        after = *last;
    }
}

/// Names of everything one role permits, sorted.
pub async fn permissions_of_role(tx: &mut Tx, role: RoleId) -> Result<Vec<String>> {
    Ok(run!(tx, scalars, PERMISSIONS_OF_ROLE, role.0)?)
}

/// Makes other changes of rights (roles, who holds them, who is switched off) wait for this transaction. Taken before any row of a user.
pub async fn lock_rights(tx: &mut Tx) -> Result<()> {
    let _admin: Option<uuid::Uuid> = run!(tx, scalar, LOCK_RIGHTS, SystemRole::Admin.name())?;
    Ok(())
}

/// The roles of the hub, lowest rank first; 500 at most.
pub async fn list(tx: &mut Tx) -> Result<Vec<Role>> {
    Ok(run!(tx, rows, LIST)?)
}

/// A user's roles, mightiest first.
pub async fn held_by(tx: &mut Tx, user: UserId) -> Result<Vec<Role>> {
    Ok(run!(tx, rows, HELD_BY, user.0)?)
}

/// Names of a user's roles, mightiest first.
pub async fn names_of(tx: &mut Tx, user: UserId) -> Result<Vec<String>> {
    Ok(run!(tx, scalars, ROLES_OF, user.0)?)
}

/// Names of everything a user's roles permit, sorted, each once.
pub async fn permissions_of(tx: &mut Tx, user: UserId) -> Result<Vec<String>> {
    Ok(run!(tx, scalars, PERMISSIONS_OF, user.0)?)
}

/// Gives a role; `false` when the user has it already.
pub async fn assign(tx: &mut Tx, user: UserId, role: RoleId, by: Option<UserId>, now: Timestamp) -> Result<bool> {
    Ok(run!(tx, execute, ASSIGN, user.0, role.0, now, by.map(|id| id.0))? == 1)
}

/// Takes a role away; `false` when the user does not have it.
pub async fn unassign(tx: &mut Tx, user: UserId, role: RoleId) -> Result<bool> {
    Ok(run!(tx, execute, UNASSIGN, user.0, role.0)? == 1)
}

/// How many accounts that can sign in hold the role.
pub async fn count_holders(tx: &mut Tx, role: RoleId) -> Result<i64> {
    let count: Option<i64> = run!(tx, scalar, HOLDERS, role.0)?;
    Ok(count.unwrap_or(0))
}

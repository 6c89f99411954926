//! Signed-in devices. A refresh token is derived from (id, counter, salt) and a key that is not here, so no token is stored.
//!
//! The counter is swapped by one guarded statement: of many parallel refreshes with one token exactly one wins.

use hub_types::{RoleId, SessionId, Timestamp, UserId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::{Result, Tx};

statements! {
    INSERT = "INSERT INTO sessions (id, user_id, refresh_counter, refresh_salt, rotated_at, created_at, authenticated_at, last_used_at,
                idle_expires_at, expires_at, user_agent, address)
              VALUES ($1, $2, 0, $3, $4, $4, $4, $4, $5, $6, $7, $8)";
    // Nobody proved who they are here, and no refresh token is ever made for it.
    INSERT_ACTING = "INSERT INTO sessions (id, user_id, refresh_counter, refresh_salt, rotated_at, created_at, authenticated_at, last_used_at,
                       idle_expires_at, expires_at, user_agent, address, actor_id)
                     VALUES ($1, $2, 0, $3, $4, $4, $10, $4, $5, $6, $7, $8, $9)";
    GET = "SELECT id, user_id, refresh_counter, refresh_salt, rotated_at, created_at, authenticated_at, last_used_at, idle_expires_at, expires_at,
             revoked_at, user_agent, address, actor_id
           FROM sessions WHERE id = $1";
    LIVE_OF = "SELECT id, user_id, refresh_counter, refresh_salt, rotated_at, created_at, authenticated_at, last_used_at, idle_expires_at, expires_at,
                 revoked_at, user_agent, address, actor_id
               FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND idle_expires_at > $2 AND expires_at > $2
               ORDER BY last_used_at DESC, id DESC LIMIT $3";
    LIVE_OF_ROLE = "SELECT s.id FROM sessions s JOIN user_roles u ON u.user_id = s.user_id
                    WHERE u.role_id = $1 AND s.revoked_at IS NULL AND s.idle_expires_at > $2 AND s.expires_at > $2
                    ORDER BY s.last_used_at DESC, s.id DESC LIMIT $3";
    ROTATE = "UPDATE sessions SET refresh_counter = refresh_counter + 1, rotated_at = $3, last_used_at = $3, idle_expires_at = $4,
                user_agent = $5, address = $6
              WHERE id = $1 AND refresh_counter = $2 AND actor_id IS NULL AND revoked_at IS NULL AND idle_expires_at > $3 AND expires_at > $3
              RETURNING id, user_id, refresh_counter, refresh_salt, rotated_at, created_at, authenticated_at, last_used_at, idle_expires_at, expires_at,
                revoked_at, user_agent, address, actor_id";
    REAUTHENTICATE = "UPDATE sessions SET authenticated_at = $3
                      WHERE id = $1 AND user_id = $2 AND actor_id IS NULL AND revoked_at IS NULL";
    REVOKE = "UPDATE sessions SET revoked_at = $3, revoke_reason = $4 WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL";
    REVOKE_ALL = "UPDATE sessions SET revoked_at = $2, revoke_reason = $3
                  WHERE user_id = $1 AND revoked_at IS NULL AND id <> $4 RETURNING id";
    REVOKE_OLDEST = "UPDATE sessions SET revoked_at = $2, revoke_reason = 'too_many'
                     WHERE id IN (SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL
                                  ORDER BY last_used_at DESC, id DESC LIMIT 1000 OFFSET $3)
                     RETURNING id";
    PRUNE = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < $1 OR revoked_at < $1 LIMIT $2)";
}

/// A session as stored.
#[derive(Clone, FromRow)]
pub struct Session {
    /// Its id.
    #[sqlx(try_from = "Uuid")]
    pub id: SessionId,
    /// Whose.
    #[sqlx(try_from = "Uuid")]
    pub user_id: UserId,
    /// How often the refresh token was rotated; the token in force was made for this number.
    pub refresh_counter: i64,
    /// Makes the tokens of this session unlike those of any other.
    pub refresh_salt: Vec<u8>,
    /// When the token in force was made.
    pub rotated_at: Timestamp,
    /// When the person signed in.
    pub created_at: Timestamp,
    /// When the person last proved who they are: at sign-in, or again since.
    pub authenticated_at: Timestamp,
    /// Last refresh.
    pub last_used_at: Timestamp,
    /// Ends here unless refreshed before.
    pub idle_expires_at: Timestamp,
    /// Ends here in any case.
    pub expires_at: Timestamp,
    /// Set when it was ended early.
    pub revoked_at: Option<Timestamp>,
    /// `User-Agent` of the last refresh.
    pub user_agent: String,
    /// Address of the last refresh.
    pub address: String,
    /// The administrator who acts as the user; `None` for the user's own sessions. See [`Session::actor`].
    pub actor_id: Option<Uuid>,
}

impl Session {
    /// The administrator who acts as the user, where it is not the user's own.
    pub fn actor(&self) -> Option<UserId> {
        self.actor_id.map(UserId)
    }

    /// True while the session counts.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.idle_expires_at > now && self.expires_at > now
    }
}

impl std::fmt::Debug for Session {
    /// Without the salt.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("id", &self.id).field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

/// A session to be opened.
#[derive(Clone)]
pub struct NewSession<'a> {
    /// Its id.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// 16 random bytes.
    pub salt: &'a [u8],
    /// Now.
    pub at: Timestamp,
    /// Ends here unless refreshed before.
    pub idle_expires_at: Timestamp,
    /// Ends here in any case.
    pub expires_at: Timestamp,
    /// `User-Agent`, cut and cleaned by the caller.
    pub user_agent: &'a str,
    /// Client address.
    pub address: &'a str,
}

/// One refresh: the counter the client's token was made for, and what the session looks like afterwards.
#[derive(Debug, Clone, Copy)]
pub struct Rotation<'a> {
    /// The counter that must still stand.
    pub counter: i64,
    /// Now.
    pub at: Timestamp,
    /// The new idle end.
    pub idle_expires_at: Timestamp,
    /// `User-Agent`, cut and cleaned by the caller.
    pub user_agent: &'a str,
    /// Client address.
    pub address: &'a str,
}

/// Opens a session.
pub async fn insert(tx: &mut Tx, new: &NewSession<'_>) -> Result<()> {
    run!(
        tx,
        execute,
        INSERT,
        new.id.0,
        new.user.0,
        new.salt,
        new.at,
        new.idle_expires_at,
        new.expires_at,
        new.user_agent,
        new.address
    )?;
    Ok(())
}

/// Opens a session in which `actor` looks at the hub as the user. It was never proven who is behind it, and it cannot be refreshed.
pub async fn insert_acting(tx: &mut Tx, new: &NewSession<'_>, actor: UserId) -> Result<()> {
    run!(
        tx,
        execute,
        INSERT_ACTING,
        new.id.0,
        new.user.0,
        new.salt,
        new.at,
        new.idle_expires_at,
        new.expires_at,
        new.user_agent,
        new.address,
        actor.0,
        Timestamp::UNIX_EPOCH
    )?;
    Ok(())
}

/// The session with this id, live or not.
pub async fn by_id(tx: &mut Tx, id: SessionId) -> Result<Option<Session>> {
    Ok(run!(tx, row, GET, id.0)?)
}

/// A user's live sessions, last used first.
pub async fn live_of(tx: &mut Tx, user: UserId, now: Timestamp, limit: i64) -> Result<Vec<Session>> {
    Ok(run!(tx, rows, LIVE_OF, user.0, now, limit)?)
}

/// Live sessions of everybody who holds the role, most recently used first.
pub async fn live_of_role(tx: &mut Tx, role: RoleId, now: Timestamp, limit: i64) -> Result<Vec<SessionId>> {
    let ids: Vec<Uuid> = run!(tx, scalars, LIVE_OF_ROLE, role.0, now, limit)?;
    Ok(ids.into_iter().map(SessionId).collect())
}

/// Swaps the counter; `None` when it was swapped already or the session has ended.
pub async fn rotate(tx: &mut Tx, id: SessionId, to: &Rotation<'_>) -> Result<Option<Session>> {
    Ok(run!(tx, row, ROTATE, id.0, to.counter, to.at, to.idle_expires_at, to.user_agent, to.address)?)
}

/// Notes that the person behind the session has just proved who they are; `false` when it is not theirs or has ended.
pub async fn reauthenticate(tx: &mut Tx, id: SessionId, user: UserId, now: Timestamp) -> Result<bool> {
    Ok(run!(tx, execute, REAUTHENTICATE, id.0, user.0, now)? == 1)
}

/// Ends one session of this user; `false` when it is not theirs or has ended.
pub async fn revoke(tx: &mut Tx, id: SessionId, user: UserId, reason: &str, now: Timestamp) -> Result<bool> {
    Ok(run!(tx, execute, REVOKE, id.0, user.0, now, reason)? == 1)
}

/// Ends all sessions of a user but `keep`; returns which ended.
pub async fn revoke_all(
    tx: &mut Tx,
    user: UserId,
    keep: Option<SessionId>,
    reason: &str,
    now: Timestamp,
) -> Result<Vec<SessionId>> {
    // No session has the nil id, so it stands for "keep none" without a second statement.
    let keep = keep.map_or(Uuid::nil(), |id| id.0);
    let ended: Vec<Uuid> = run!(tx, scalars, REVOKE_ALL, user.0, now, reason, keep)?;
    Ok(ended.into_iter().map(SessionId).collect())
}

/// Ends the least recently used sessions beyond `keep`; returns which ended.
pub async fn revoke_oldest(tx: &mut Tx, user: UserId, keep: i64, now: Timestamp) -> Result<Vec<SessionId>> {
    let ended: Vec<Uuid> = run!(tx, scalars, REVOKE_OLDEST, user.0, now, keep)?;
    Ok(ended.into_iter().map(SessionId).collect())
}

/// Deletes up to `limit` sessions that ended before `before`; returns how many.
pub async fn prune(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    Ok(run!(tx, execute, PRUNE, before, limit)?)
}

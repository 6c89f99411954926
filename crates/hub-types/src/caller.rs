//! Who is calling, after the credential was verified against the database.

use std::net::IpAddr;
use std::sync::Arc;

use crate::{ApiKeyId, Budget, Email, KeyLine, Permission, RateTier, SessionId, UserId, UserLimits};

/// What proved the caller's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// An access token of this signed-in session.
    Session(SessionId),
    /// An API key.
    ApiKey(ApiKeyId),
    /// An access token with which an administrator looks at the hub as somebody else. It is nobody's session: what needs one refuses.
    Impersonation(SessionId),
    /// The command line of the machine the hub runs on.
    Operator,
}

/// The administrator behind an impersonation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acting {
    /// Their account.
    pub user: UserId,
    /// Its address.
    pub email: Email,
}

/// A verified caller. The subject of every rule comes from here, never from a body, a query or a header. Cheap to clone: each request does so
/// several times.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The account.
    pub user: UserId,
    /// Its address.
    pub email: Email,
    /// Display name, may be empty.
    pub name: String,
    /// Names of all roles.
    pub roles: Arc<[String]>,
    /// Names of all permissions in force: those of the roles, narrowed to the key's scopes where a key is used.
    pub permissions: Arc<[String]>,
    /// True when the address was proven.
    pub verified: bool,
    /// What was presented.
    pub credential: Credential,
    /// Who truly acts, where that is not the account itself.
    pub acting: Option<Acting>,
    /// Models this credential may use; empty means all.
    pub models: Arc<[String]>,
    /// The line of the key in use and its limits.
    pub line: Option<KeyLine>,
    /// Budgets an administrator set for this user, at most one per period. They take the place of the role's.
    pub budgets: Arc<[Budget]>,
    /// Limits an administrator set for this user, in place of the role's.
    pub limits: UserLimits,
    /// Which request limit applies.
    pub tier: RateTier,
    /// Where the request came from, as far as trusted proxies tell; `None` on the command line.
    pub address: Option<IpAddr>,
}

impl Caller {
    /// True when the caller may do this. Rules ask; routes do not.
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.iter().any(|held| held == permission.name())
    }

    /// The key in use, if any.
    pub fn api_key(&self) -> Option<ApiKeyId> {
        match self.credential {
            Credential::ApiKey(id) => Some(id),
            Credential::Session(_) | Credential::Impersonation(_) | Credential::Operator => None,
        }
    }

    /// The session in which an administrator acts as this account, if that is so.
    pub fn impersonation(&self) -> Option<SessionId> {
        match self.credential {
            Credential::Impersonation(id) => Some(id),
            Credential::Session(_) | Credential::ApiKey(_) | Credential::Operator => None,
        }
    }

    /// The session in use, if any. None in an impersonation.
    pub fn session(&self) -> Option<SessionId> {
        match self.credential {
            Credential::Session(id) => Some(id),
            Credential::ApiKey(_) | Credential::Impersonation(_) | Credential::Operator => None,
        }
    }
}

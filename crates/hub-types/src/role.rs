//! The four system roles of the spec: `admin > manager > user > guest`.

use crate::Permission;

/// A role that every hub has and nobody can delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SystemRole {
    /// May look, within the smallest limits.
    Guest,
    /// A member: spends own credits, manages own keys.
    User,
    /// Sees members and usage of all; cannot move money or grant roles above itself.
    Manager,
    /// May do everything.
    Admin,
}

/// Which request limit applies to a caller: the highest of the caller's roles decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RateTier {
    /// Nobody signed in, or only the guest role.
    Guest,
    /// Members.
    User,
    /// Managers.
    Manager,
    /// Administrators: no limit on ordinary calls.
    Admin,
}

impl SystemRole {
    /// All of them, lowest first.
    pub const ALL: [Self; 4] = [Self::Guest, Self::User, Self::Manager, Self::Admin];

    /// The name in database, tokens and API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::User => "user",
            Self::Manager => "manager",
            Self::Admin => "admin",
        }
    }

    /// What the role is for, shown in lists.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Guest => "May look around, within the smallest limits",
            Self::User => "A member: spends own credits and manages own keys",
            Self::Manager => "Sees all members and their usage",
            Self::Admin => "May do everything",
        }
    }

    /// Place in the hierarchy; nobody grants, edits or deletes above their own rank.
    pub const fn rank(self) -> i32 {
        match self {
            Self::Guest => 0,
            Self::User => 10,
            Self::Manager => 20,
            Self::Admin => 100,
        }
    }

    /// The role of that name, if it is a system role.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// What the role may do when a hub is new. Admins hold every permission there is.
    pub fn permissions(self) -> &'static [Permission] {
        use Permission as P;
        match self {
            Self::Guest => &[P::ModelsRead],
            Self::User => &[
                P::ModelsRead,
                P::InferenceCreate,
                P::CreditsRead,
                P::CreditsPurchase,
                P::UsageRead,
                P::KeysRead,
                P::KeysCreate,
                P::KeysUpdate,
                P::KeysDelete,
            ],
            Self::Manager => &[
                P::ModelsRead,
                P::InferenceCreate,
                P::CreditsRead,
                P::CreditsPurchase,
                P::CreditsReadAny,
                P::UsageRead,
                P::UsageReadAny,
                P::KeysRead,
                P::KeysCreate,
                P::KeysUpdate,
                P::KeysDelete,
                P::UsersRead,
                P::RolesRead,
            ],
            Self::Admin => Permission::ALL,
        }
    }
}

impl RateTier {
    /// The tier of somebody with these role names.
    pub fn of<'a>(roles: impl IntoIterator<Item = &'a str>) -> Self {
        let tier = |name| match SystemRole::from_name(name) {
            Some(SystemRole::Admin) => Self::Admin,
            Some(SystemRole::Manager) => Self::Manager,
            Some(SystemRole::Guest) => Self::Guest,
            // A custom role is given to members; it must not push them into the guest tier.
            Some(SystemRole::User) | None => Self::User,
        };
        roles.into_iter().map(tier).max().unwrap_or(Self::Guest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_role_decides_the_tier() {
        assert_eq!(RateTier::of(["guest", "manager", "user"]), RateTier::Manager);
        assert_eq!(RateTier::of([]), RateTier::Guest);
        assert_eq!(RateTier::of(["night-shift"]), RateTier::User);
    }

    #[test]
    fn each_role_may_do_all_that_the_lower_one_may() {
        for pair in SystemRole::ALL.windows(2) {
            for permission in pair[0].permissions() {
                assert!(pair[1].permissions().contains(permission), "{:?} lacks {permission:?}", pair[1]);
            }
        }
    }
}

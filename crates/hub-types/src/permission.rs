//! What a rule may ask of a caller. A permission is `resource:action`; a rule asks for it by its variant, so a typing
//! mistake does not compile.

use std::fmt;

macro_rules! permissions {
    ($($variant:ident $resource:literal $action:literal $doc:literal),+ $(,)?) => {
        /// A permission the hub's own rules ask for. Custom ones may exist as rows; no rule here asks for them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Permission { $(#[doc = $doc] $variant),+ }

        impl Permission {
            /// Every permission the hub knows; seeded into the database at start.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// `resource:action`, the name in tokens, database and API.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => concat!($resource, ":", $action)),+ }
            }

            /// What it is about: `users`, `credits`, …
            pub const fn resource(self) -> &'static str {
                match self { $(Self::$variant => $resource),+ }
            }

            /// What may be done: `read`, `create`, …
            pub const fn action(self) -> &'static str {
                match self { $(Self::$variant => $action),+ }
            }

            /// One line for lists.
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => $doc),+ }
            }
        }
    };
}

/// What a key may do with a permission of its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyUse {
    /// Every key without scopes, and every key whose scopes name it.
    Any,
    /// Only a key whose scopes name it: a key for calls must not carry power over people, roles or what credits are given away for.
    Named,
    /// No key: whoever finds one could make more of itself out of it.
    Never,
}

impl KeyUse {
    /// For a permission by its name, custom ones included.
    pub fn of(permission: &str) -> Self {
        if permission == Permission::UsersImpersonate.name() || permission == Permission::ProvidersUpdate.name() {
            return Self::Never;
        }
        match permission.split(':').next().unwrap_or_default() {
            "keys" => Self::Never,
            "users" | "roles" | "promo" => Self::Named,
            _ => Self::Any,
        }
    }
}

permissions! {
    ModelsRead "models" "read" "List the models one may use",
    InferenceCreate "inference" "create" "Call models and spend own credits",
    CreditsRead "credits" "read" "See own balance, transactions and receipts",
    CreditsReadAny "credits" "read_any" "See everybody's balance, transactions and receipts",
    CreditsUpdate "credits" "update" "Deduct credits from an account",
    CreditsPurchase "credits" "purchase" "Buy credits for the own account",
    CreditsGrant "credits" "grant" "Grant credits to an account",
    UsageRead "usage" "read" "See own usage",
    UsageReadAny "usage" "read_any" "See everybody's usage",
    KeysRead "keys" "read" "List own API keys",
    KeysCreate "keys" "create" "Create API keys",
    KeysUpdate "keys" "update" "Change own API keys",
    KeysDelete "keys" "delete" "Revoke own API keys",
    UsersRead "users" "read" "See users",
    UsersCreate "users" "create" "Create users",
    UsersUpdate "users" "update" "Change users",
    UsersDelete "users" "delete" "Delete users",
    UsersImpersonate "users" "impersonate" "Look at the hub as another user, for a short time and without changing anything",
    RolesRead "roles" "read" "See roles and permissions",
    RolesCreate "roles" "create" "Create roles",
    RolesUpdate "roles" "update" "Change roles and grant them",
    RolesDelete "roles" "delete" "Delete roles",
    PromoManage "promo" "manage" "Create and disable promo codes",
    PricesUpdate "prices" "update" "Change the price book",
    ProvidersUpdate "providers" "update" "Manage provider credentials",
    AuditRead "audit" "read" "Read the whole audit log",
    LedgerVerify "ledger" "verify" "Check the ledger",
    SystemRead "system" "read" "See metrics and detailed health",
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

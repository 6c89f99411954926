//! Typed ids. Every id is a UUID v7, so that ids sort by the time they were made; a bare `Uuid` or `String` id
//! never travels between rooms.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::{ContextV7, Uuid};

use crate::Clock;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = String, format = Uuid)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Makes a new id that sorts by the clock's time.
            pub fn new(clock: &Clock) -> Self {
                Self(new_v7(clock))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        /// For rows read from the database.
        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+};
}

id! {
    /// A person or program with an account.
    UserId,
    /// A role, system or custom.
    RoleId,
    /// A permission row.
    PermissionId,
    /// One signed-in device.
    SessionId,
    /// An API key (`sk_…`); never the key itself.
    ApiKeyId,
    /// A mailed one-time secret: registration, reset, change of address.
    VerificationId,
    /// Money set aside for one call. The receipt of the call carries the same id.
    HoldId,
    /// One row of the ledger.
    TransactionId,
    /// One purchase of credits.
    OrderId,
    /// Credits that were given together and may end together.
    GrantId,
    /// A promo code; never the code itself.
    PromoCodeId,
    /// One version of one model's price.
    PriceId,
    /// A credential at a provider; never the secret itself.
    CredentialId,
    /// One row of the usage log.
    UsageId,
    /// A unit of background work.
    JobId,
    /// One row of the audit log.
    AuditId,
}

fn new_v7(clock: &Clock) -> Uuid {
    let now = clock.now();
    let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid_context(), seconds, now.timestamp_subsec_nanos()))
}

/// One counter for the whole process keeps ids that are made in the same millisecond in order.
fn uuid_context() -> &'static std::sync::Mutex<ContextV7> {
    static CONTEXT: std::sync::Mutex<ContextV7> = std::sync::Mutex::new(ContextV7::new());
    &CONTEXT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_instant_are_different_and_sorted() {
        let clock = Clock::fixed_at("2026-11-23T10:00:00Z");
        let ids: Vec<UserId> = (0..1000).map(|_| UserId::new(&clock)).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn an_id_reads_back_from_its_text() {
        let id = HoldId::new(&Clock::fixed_at("2026-11-23T10:00:00Z"));
        assert_eq!(id.to_string().parse::<HoldId>().ok(), Some(id));
    }
}

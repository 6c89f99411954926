//! The words every room shares: ids, credits, permissions, error codes, the clock, the caller.
//!
//! This room does no I/O and knows no protocol, database or framework. If a type is needed by two rooms and
//! means the same in both, it lives here; if it is needed by one, it does not.

mod budget;
mod caller;
mod clock;
mod credits;
mod email;
mod error_code;
mod ids;
mod origin;
mod permission;
mod random;
mod role;
mod usage;

pub use budget::{Budget, BudgetPeriod, KeyLimits, KeyLine, UserLimits};
pub use caller::{Acting, Caller, Credential};
pub use clock::{Clock, Timestamp, truncate_to_micros};
pub use credits::{Credits, CreditsError};
pub use email::{Email, EmailError};
pub use error_code::ErrorCode;
pub use ids::*;
pub use origin::Origin;
pub use permission::{KeyUse, Permission};
pub use random::{random_bytes, random_digits};
pub use role::{RateTier, SystemRole};
pub use usage::{TokenUsage, UsageSource};

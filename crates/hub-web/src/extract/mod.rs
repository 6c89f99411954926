//! Extractors that answer with our errors and name the field that is wrong.
//!
//! They replace axum's own (whose answers show serde's internals); using those is a lint error in this house.

mod caller;
mod idempotency;
mod json;
mod json_bytes;
mod max_credits;
mod origin;
mod path;
mod query;
mod reason;

pub use caller::{Authenticated, MaybeCaller};
pub use idempotency::IdempotencyKey;
pub use json::Json;
pub use json_bytes::JsonBytes;
pub use max_credits::MaxCredits;
pub use origin::RequestOrigin;
pub(crate) use origin::origin_of;
pub use path::Path;
pub use query::Query;

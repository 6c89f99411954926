//! Anthropic's messages format (providers.md §3): requests read just enough to meter and route, answers read just enough to bill.
//! Bytes that need no change are never re-written.

mod answer;
mod request;
mod thoughts;
mod usage;
mod version;

pub use request::MessagesRequest;
pub use version::ApiVersion;

pub(crate) use answer::{Block, Delta, Event, Message};
pub(crate) use thoughts::is_signed;
pub(crate) use usage::WireUsage;

//! OpenAI's chat format (providers.md §1.1–1.3): requests read just enough to meter and route, answers read just enough
//! to bill. Bytes that need no change are never re-written.

mod answer;
mod encode;
mod messages;
mod request;
mod text;
mod usage;

pub use encode::{Edits, MaxTokensField};
pub use messages::{MessageText, PromptSize};
pub use request::{BadRequest, ChatRequest};

pub(crate) use answer::{Chunk, Completion};
pub(crate) use text::Text;

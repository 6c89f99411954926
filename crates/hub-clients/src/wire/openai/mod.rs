//! OpenAI's formats (providers.md §1.1–1.6): requests read just enough to meter and route, answers read just enough
//! to bill. Bytes that need no change are never re-written.

mod answer;
mod cache;
mod completion;
mod embeddings;
mod encode;
mod messages;
mod request;
mod responses;
mod text;
mod usage;

pub use super::BadRequest;
pub use completion::CompletionRequest;
pub use embeddings::{EmbeddingInput, EmbeddingsRequest};
pub use encode::{Edits, MaxTokensField};
pub use messages::{MessageText, PromptSize};
pub use request::ChatRequest;
pub use responses::ResponsesRequest;

pub(crate) use answer::{Chunk, Completion, Embeddings};
pub(crate) use cache::keeps_long;
pub(crate) use responses::{Event as ResponseEvent, Response};
pub(crate) use text::Text;
pub(crate) use usage::{kept_long, write as usage_json};

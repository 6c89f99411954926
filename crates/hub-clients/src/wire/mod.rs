//! The wire formats we read and write: bytes in, typed facts out. No sockets here.

pub mod anthropic;
mod document;
pub(crate) mod hosted;
mod kept;
pub(crate) mod opaque;
pub mod openai;
pub(crate) mod translate;
mod walk;

pub use document::BadRequest;

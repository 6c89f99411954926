//! OpenAI's responses (providers.md §1.5): requests read just enough to meter, to route and to keep members apart, answers just enough to
//! bill. Nothing is re-written here but what [`ResponsesRequest::encode`] names.

mod answer;
mod input;
mod request;
mod thoughts;
mod tools;

pub use request::ResponsesRequest;

pub(crate) use answer::{Event, Response};

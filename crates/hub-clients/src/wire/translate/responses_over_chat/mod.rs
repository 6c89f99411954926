//! A caller of OpenAI's responses, served by chat (providers.md §1.5): the stateless part of it. Nothing is kept, so whatever needs an
//! earlier response is refused.

mod answer;
mod request;
mod stream;

pub(crate) use answer::{Echo, whole};
pub(crate) use request::request;
pub(crate) use stream::Teller;

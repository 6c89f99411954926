//! A chat caller served by a provider that speaks OpenAI's responses and no chat (providers.md §1.1, §1.5). Nothing is kept there, so what a
//! model thought comes along encrypted and is sent back in the next turn.

mod answer;
mod document;
mod input;
mod request;
mod stream;
mod tools;

pub(crate) use answer::whole;
pub(crate) use request::request;
pub(crate) use stream::Teller;

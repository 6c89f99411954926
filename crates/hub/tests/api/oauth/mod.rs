//! Sign-in with a provider, against a provider made here that speaks real HTTP.

mod device;
mod flow;
mod hostile;
mod idp;
pub(crate) mod kit;
mod linking;
pub(crate) mod silence;

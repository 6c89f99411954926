//! Sign-in with a provider, against a provider made here that speaks real HTTP.

mod device;
mod flow;
mod hostile;
mod idp;
mod kit;
mod linking;
mod silence;

//! Everything that talks to somebody else's server: a trait, its adapters, and a fake that ships as the sandbox.
//!
//! An adapter translates and reports; it never decides. Retries, fall-over, prices and holds belong to `hub-domain`.
//! Nothing here keeps state between calls except connection pools and the sandbox's own meter, nothing reads the
//! environment, and no credential ever leaves this room: not in an error, a log line or a `Debug` text.

pub mod llm;
pub mod mail;
pub mod oauth;
pub mod pay;
mod public;
pub mod webhook;
pub mod wire;

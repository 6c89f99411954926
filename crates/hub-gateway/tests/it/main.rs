//! The front door from outside: one suite over a local and a remote upstream, then each layer by itself.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end with a panic")]

mod browsers;
mod forwarding;
mod kit;
mod limits;
mod operations;
mod upstreams;

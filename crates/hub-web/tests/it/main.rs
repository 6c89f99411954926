//! The kit from outside: layers through a router without a socket, the accept loop over real sockets on port 0.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end with a panic")]

mod bodies;
mod envelope;
mod front;
mod guard;
mod kit;
mod serving;

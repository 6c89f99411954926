//! `TestHub`: the real composition on either engine pair, with a clock that is moved by hand, mail kept in memory and the sandbox as
//! provider. For tests only.
//!
//! Nothing here re-implements a rule: users, keys and credits come from `hub-domain`, requests go through the router that the binary
//! serves. A test ends with [`TestHub::finish`], which asserts what must be true after every test: the ledger is clean, no hold is open, no
//! job is left, nothing logged an error.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on must say why, loudly"
)]

mod builder;
mod collector;
mod errors;
mod finish;
mod hub;
mod pair;
mod request;
mod response;
mod run;
mod socket;
mod users;
mod wire;

pub use builder::Builder;
pub use collector::{Collector, SentSpan};
pub use hub::TestHub;
pub use pair::{Pair, servers};
pub use request::TestRequest;
pub use response::{SseEvent, TestResponse, TestStream};
pub use run::run;
pub use socket::{Socket, TestSocket};
pub use users::{NewMember, TestUser};
pub use wire::Wire;

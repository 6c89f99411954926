//! The front door: one address for everything, and the layers that every request passes.
//!
//! [`front_door`] composes the layers around a table `prefix → upstream`. An upstream is a router in this process or a
//! service somewhere else; nothing but this table knows the difference. Roles that are started apart use the same
//! front door with a shorter table, so a service reached directly is as safe as behind another gateway.
//!
//! This room decides nothing about accounts, money or permissions. It may refuse a request (too many from one address, a
//! forged token, too large); it must never let one pass that an edge would refuse.

mod cors;
mod door;
mod flood;
mod forward;
mod front_door;
mod operations;
mod pages;
mod process;
mod route;
mod security_headers;

pub use door::DoorCheck;
pub use forward::{ForwardOptions, Forwarder, ForwarderError};
pub use front_door::{GatewayParts, front_door};
pub use operations::{HealthCheck, HealthReport, Operations, operations_router};
pub use route::{Route, Upstream};
pub use security_headers::HTML_POLICY;

//! The acceptance checks of security that no other topic's tests hold already. `docs/security-checks.md` says where each check is.

mod effects;
mod outage;
mod passwords;
mod requests;
mod slow;
mod sockets;
mod table;
mod trail;

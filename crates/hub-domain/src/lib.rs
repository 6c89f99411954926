//! The rules of the hub: who may come in, what a call costs, what is owed. No HTTP here, and no SQL.
//!
//! Functions take the [`Hub`] (what the rules stand on) and, where somebody asks, the verified `Caller`; each rule begins by
//! asking the caller for the permission it needs. Services never call each other: every edge calls these functions.

pub mod access;
pub mod audit;
pub mod context;
pub mod credits;
pub mod denials;
pub mod identity;
pub mod inference;
pub mod jobs;
pub mod keys;
pub mod limits;
pub mod oauth;
pub mod payments;
pub mod pricing;
pub mod promo;
pub mod providers;
pub mod rbac;
pub mod reconcile;
pub mod sealing;
pub mod sessions;
pub mod usage;
pub mod users;

pub use context::{Hub, Settings, Tasks};
pub use hub_types::Origin;

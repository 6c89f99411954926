//! Contract tests of the store: the same cases on SQLite and on PostgreSQL.

#![cfg(test)]

#[macro_use]
mod support;

mod audit;
mod budgets;
mod credits;
mod factors;
mod idempotency;
mod identities;
mod identity;
mod jobs;
mod money;
mod payments;
mod providers;
mod reroute;
mod schema;
mod search;
mod statements;
mod usage;

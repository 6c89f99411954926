//! The API, tried through the front door on both engine pairs: one binary, one module per topic.

#![cfg(test)]

mod account;
mod audit;
mod auth;
mod budgets;
mod call_limits;
mod credits;
mod credits_checks;
mod credits_flow;
mod credits_jobs;
mod factors;
mod front_door;
mod idempotent_calls;
mod idempotent_sockets;
mod inference;
mod keys;
mod ledger;
mod ledger_faults;
mod ledger_writers;
mod limits;
mod oauth;
mod openai_stub;
mod openapi;
mod payments;
mod prices;
mod promo;
mod providers;
mod quotes;
mod reconciliation;
mod roles;
mod routing;
mod security;
mod silence;
mod streams;
mod telemetry;
mod token_keys;
mod usage;
mod user_limits;
mod users;
mod websocket;
mod wires;

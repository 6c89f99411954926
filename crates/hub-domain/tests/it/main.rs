//! The rules on a real composition: SQLite in a temporary directory, the memory cache, a clock that stands still.

#![cfg(test)]

mod audit_actions;
mod identity;
mod keys;
mod mail;
mod renewals;
mod sessions;
mod support;

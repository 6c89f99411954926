//! The rules on a real composition: SQLite in a temporary directory, the memory cache, a clock that stands still.

#![cfg(test)]

mod identity;
mod keys;
mod sessions;
mod support;

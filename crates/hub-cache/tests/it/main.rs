//! What both engines promise: one contract, run on memory always and on Redis when `HUB_TEST_REDIS_URL` is set
//! (`cargo xtask test` sets it). The `cfg(test)` below tells clippy that helpers here are test code, too.

#![cfg(test)]

mod engines;
mod leases;
mod logs;
mod messages;
mod once;
mod shares;
mod values;
mod windows;

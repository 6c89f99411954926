//! The binary from outside, and the whole composition on both engine pairs.

mod cli;
mod config;
mod process;
mod serving;
mod smoke;

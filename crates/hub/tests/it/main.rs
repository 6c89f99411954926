//! The binary from outside, and the whole composition on both engine pairs.

#![cfg(test)]

mod admin;
mod binary;
mod config;
mod doctor;
mod example;
mod keys;
mod prices;
mod refusals;
mod several;
mod smoke;
mod start_stop;

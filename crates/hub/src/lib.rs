//! The binary as a library: settings, composition, roles and the command line, so that tests build exactly what operators run.
//!
//! Nothing but building and wiring lives here; rules are in `hub-domain`. This is the only room that reads the environment.

pub mod cli;
pub mod compose;
pub mod config;
pub mod data_dir;
pub mod first_start;
mod gatekeeper;
mod health;
mod json_lines;
mod logging;
pub mod roles;
mod screen;
mod secrets;
mod serve;
pub mod telemetry;

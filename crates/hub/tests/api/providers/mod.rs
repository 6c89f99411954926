//! Providers and their credentials, added and taken away while hubs run, and what a provider may be asked at most.

mod admin;
mod queue;
mod upstream;

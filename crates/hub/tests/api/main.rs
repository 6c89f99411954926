//! The API, tried through the front door on both engine pairs: one binary, one module per topic.

#![cfg(test)]

mod account;
mod audit;
mod auth;
mod credits;
mod factors;
mod front_door;
mod inference;
mod keys;
mod limits;
mod oauth;
mod openapi;
mod token_keys;
mod websocket;
mod wires;

//! The API, tried through the front door on both engine pairs: one binary, one module per topic.

#![cfg(test)]

mod auth;
mod credits;
mod front_door;
mod inference;
mod keys;
mod limits;
mod openapi;
mod websocket;

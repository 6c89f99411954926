//! The wire formats we read and write: bytes in, typed facts out. No sockets here.

pub mod openai;

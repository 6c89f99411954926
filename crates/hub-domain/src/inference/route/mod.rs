//! Where a call goes: from the model asked for to the candidates that may answer it, in the order in which they are tried.
//!
//! Must never send a call to a model the operator did not name for it: other models stand in only where an alias says so.

mod dice;
mod flags;
mod plan;
mod settings;
mod switch;

use super::breaker::{Memory, Windows};

pub use flags::ModelFlags;
pub use settings::{Alias, Settings, StandIn, Target};

pub(super) use dice::Dice;
pub(super) use flags::{fit, left_out, refused};
pub(super) use plan::plan;
pub(super) use switch::{Switched, switch};

/// What routing remembers in this process.
#[derive(Debug)]
pub struct Routing {
    pub(super) dice: Dice,
    pub(super) windows: Windows,
    pub(super) memory: Memory,
}

impl Routing {
    /// Nothing is remembered yet; `seed` is the start of its randomness.
    pub fn new(seed: u64) -> Self {
        Self { dice: Dice::new(seed), windows: Windows::default(), memory: Memory::default() }
    }
}

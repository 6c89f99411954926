//! What things cost: unit prices, the one cost function, and the price book. An unknown price is refused, never free.

mod book;
mod cost;
mod seed;

pub use book::{ModelPrice, Price, PriceBook, Settings, load, seed};
pub use cost::{Cost, CostError, LongContext, UnitPrices};

/// Credits in one US dollar: 1 credit is one cent. Only the seed uses it; the book itself knows no dollars.
pub const CREDITS_PER_USD: i64 = 100;

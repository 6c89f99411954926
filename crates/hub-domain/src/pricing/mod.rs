//! What things cost: unit prices, the one cost function, and the price book. An unknown price is refused, never free.

mod book;
mod change;
mod check;
mod compare;
mod cost;
mod entry;
mod import;
mod list;
mod margin;
mod odd;
mod seed;
mod settings;
mod terms;
mod units;

pub use book::{ModelPrice, Price, PriceBook, Settings, load, seed};
pub use change::{Change, ChangeKind, FieldChange, diff};
pub use check::{Finding, check};
pub use cost::{Cost, CostError};
pub use entry::PriceEntry;
pub use import::{ImportError, ImportOptions, Imported, import};
pub use list::{PriceState, PricesQuery, list};
pub use seed::seeded;
pub use units::{LongContext, UnitPrices};

/// Credits in one US dollar: 1 credit is one cent. Only the seed uses it; the book itself knows no dollars.
pub const CREDITS_PER_USD: i64 = 100;

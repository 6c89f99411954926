//! Usage: charts, tables, log and export say the same, in every time zone and at every moment; and nobody sees what is not theirs.

mod kit;
mod log;
mod sums;
mod visible;

//! One long random history of money on each engine, played by the rules' own functions in two hubs on one database, against a model in
//! memory. Callers crash between any two polls and ask again under the same key. After every operation the numbers are the model's; every
//! 500 operations, and at the end, the whole of `hub ledger verify` holds, which also tries to change and to delete a ledger row.
//!
//! A history is its seed. It is printed; `HUB_HISTORY_SEED=<number>` plays it again.

#![cfg(test)]

mod act;
mod dice;
mod model;
mod payments;
mod play;
mod step;

use hub_testkit::on_both_pairs;
use hub_types::random_bytes;

#[expect(clippy::disallowed_methods, reason = "which history to play again can only be told from outside")]
fn seed() -> u64 {
    let told = std::env::var("HUB_HISTORY_SEED").ok();
    told.map_or_else(|| u64::from_be_bytes(random_bytes()), |text| text.parse().unwrap())
}

on_both_pairs! {
    async fn ten_thousand_operations_with_crashes_agree_with_the_model(pair: Pair) {
        let seed = seed();
        println!("HUB_HISTORY_SEED={seed}");
        Box::pin(play::history(pair, seed)).await;
    }
}

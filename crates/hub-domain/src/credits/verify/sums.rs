//! Sums of usage, against the calls they were made of as far as those are kept, and against each other.

use hub_store::verify_sums::{self as questions, SumFault};
use hub_store::{StoreError, Tx};

use super::Check;

/// Culprits named at most.
const NAMED: usize = 100;

/// Adds what is asked about sums.
pub(super) async fn check(tx: &mut Tx, checks: &mut Vec<Check>) -> Result<(), StoreError> {
    checks.extend([
        of_sums("every sum of a caller's usage is what its calls add up to", questions::of_callers(tx).await?),
        of_sums("every sum of the hub's usage is what its callers' add up to", questions::of_hub(tx).await?),
    ]);
    Ok(())
}

fn of_sums(name: &'static str, faults: Vec<SumFault>) -> Check {
    let words = |fault: SumFault| {
        let SumFault { user, length, start, service, model, stored, computed } = fault;
        let whose = user.map_or_else(|| "the hub".to_owned(), |user| format!("user {user}"));
        format!(
            "{whose}, {length} s from {}, {service} {model}: stored {} in {} calls, computed {} in {}",
            start.to_rfc3339(),
            stored.0,
            stored.1,
            computed.0,
            computed.1
        )
    };
    Check { name, faults: faults.into_iter().take(NAMED).map(words).collect() }
}

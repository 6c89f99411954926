//! Working out what charges took from lots, and taking back what is left of a lot that has run out.
//!
//! Charges never touch a lot: the hot path stays one account row. Whoever needs to know replays the charges since the last time, in pages,
//! each under the account's lock. Any number of processes may do this at once.

use hub_store::grants::{self, Lot, Standing};
use hub_store::ledger::{self, Kind, Posting};
use hub_store::{StoreError, Tx, accounts};
use hub_types::{Credits, TransactionId, UserId};
use serde_json::json;
use uuid::Uuid;

use super::lots;
use crate::Hub;

/// Charges replayed in one transaction at most.
const PAGE: i64 = 1000;
/// Accounts looked up at a time.
const ACCOUNTS: i64 = 100;

/// Takes back what has run out, on all accounts: at most what is left of the lot and not held, with one `expiry` row each. What a running
/// call holds is taken back by a later round, if the call leaves it.
pub async fn expire_due(hub: &Hub) -> Result<(), StoreError> {
    let mut last = UserId(Uuid::nil());
    loop {
        let mut tx = hub.store.read().await?;
        let due = grants::due(&mut tx, hub.clock.now(), last, ACCOUNTS).await?;
        drop(tx);
        let Some(newest) = due.last() else { return Ok(()) };
        last = *newest;
        for user in due {
            while !work_out(hub, user, true).await? {}
        }
    }
}

/// The open lots of an account as they are now, in the order they are spent.
pub(super) async fn open_lots(hub: &Hub, user: UserId) -> Result<Vec<Lot>, StoreError> {
    loop {
        let mut tx = hub.store.snapshot().await?;
        let Some(standing) = grants::standing(&mut tx, user).await? else { return Ok(Vec::new()) };
        let mut found = grants::open(&mut tx, user).await?;
        if replay(&mut tx, user, standing, &mut found).await? == standing.version {
            found.retain(|lot| lot.left() > 0);
            return Ok(found);
        }
        drop(tx);
        // Too many for one look: write down a part, so that nobody has to replay it again.
        work_out(hub, user, false).await?;
    }
}

/// Writes down what charges took from the account's lots, a page of them; with `take_back`, also what has run out. `true`: all is done.
async fn work_out(hub: &Hub, user: UserId, take_back: bool) -> Result<bool, StoreError> {
    let now = hub.clock.now();
    let mut tx = hub.store.write().await?;
    let Some(standing) = grants::lock(&mut tx, user).await? else { return Ok(true) };
    let before = grants::open(&mut tx, user).await?;
    let mut found = before.clone();
    let mut burned = replay(&mut tx, user, standing, &mut found).await?;
    let whole = burned == standing.version;
    if whole && take_back {
        burned += run_out(hub, &mut tx, user, &mut found).await?;
    }
    for lot in found.iter().filter(|lot| !before.contains(lot)) {
        grants::save(&mut tx, lot, now).await?;
    }
    grants::set_burned(&mut tx, user, burned).await?;
    tx.commit().await?;
    Ok(whole)
}

/// Takes a page of charges from the lots, which come out sorted; gives the version up to which that was done.
async fn replay(tx: &mut Tx, user: UserId, standing: Standing, found: &mut [Lot]) -> Result<i64, StoreError> {
    lots::sort(found);
    // Charges below the oldest lot took nothing from any.
    let Some(oldest) = found.iter().map(|lot| lot.opened).min() else { return Ok(standing.version) };
    let debits = grants::debits(tx, user, standing.burned.max(oldest), PAGE).await?;
    for debit in &debits {
        if debit.takes_back() {
            lots::burn_last(found, debit.version, debit.amount, debit.balance_after);
        } else {
            lots::burn(found, debit.version, debit.amount);
        }
    }
    let is_full = i64::try_from(debits.len()) == Ok(PAGE);
    Ok(debits.last().filter(|_| is_full).map_or(standing.version, |last| last.version))
}

/// Posts a row for each lot that has run out; gives how many.
async fn run_out(hub: &Hub, tx: &mut Tx, user: UserId, found: &mut [Lot]) -> Result<i64, StoreError> {
    let now = hub.clock.now();
    let Some(account) = accounts::get(tx, user).await? else { return Ok(0) };
    let mut spendable = account.balance.micro() - account.held.micro();
    let mut posted = 0;
    for lot in found {
        let back = lots::runs_out(lot, now, spendable);
        if back == 0 {
            continue;
        }
        let posting = Posting {
            id: TransactionId::new(&hub.clock),
            user,
            kind: Kind::Expiry,
            amount: Credits::from_micro(-back),
            // A lot is taken back in parts where calls were running; each part begins where the one before ended.
            key: format!("expiry:{}:{}", lot.id, lot.expired),
            request_hash: None,
            hold: None,
            actor: None,
            reason: "expired".to_owned(),
            metadata: json!({ "grantId": lot.id, "expiresAt": lot.expires_at }),
            at: now,
        };
        // `None`: the account was frozen meanwhile. It waits.
        if ledger::post(tx, &posting).await?.is_some() {
            lot.expired += back;
            spendable -= back;
            posted += 1;
        }
    }
    Ok(posted)
}

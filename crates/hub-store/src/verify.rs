//! The questions of `hub ledger verify`. Each returns the accounts (or receipts) that break an invariant of credits.md §2.9; an
//! honest hub returns none. Run them inside one `Store::snapshot`.

use hub_types::{Credits, HoldId, UserId};
use uuid::Uuid;

use crate::{Result, Store, StoreError, Tx};

statements! {
    ACCOUNTS = "SELECT COUNT(*) FROM credit_accounts";
    ROWS = "SELECT COUNT(*) FROM credit_transactions";
    BALANCE = "SELECT a.user_id, a.balance, CAST(COALESCE(t.total, 0) AS BIGINT) FROM credit_accounts a
               LEFT JOIN (SELECT user_id, SUM(amount) AS total FROM credit_transactions GROUP BY user_id) t ON t.user_id = a.user_id
               WHERE a.balance <> COALESCE(t.total, 0) LIMIT $1";
    VERSION = "SELECT a.user_id, a.version, CAST(COALESCE(t.rows, 0) AS BIGINT) FROM credit_accounts a
               LEFT JOIN (SELECT user_id, COUNT(*) AS rows, MAX(account_version) AS last FROM credit_transactions GROUP BY user_id) t
                 ON t.user_id = a.user_id
               WHERE a.version <> COALESCE(t.rows, 0) OR a.version <> COALESCE(t.last, 0) LIMIT $1";
    HELD = "SELECT a.user_id, a.held, CAST(COALESCE(h.total, 0) AS BIGINT) FROM credit_accounts a
            LEFT JOIN (SELECT user_id, SUM(amount) AS total FROM credit_holds WHERE status = 'held' GROUP BY user_id) h ON h.user_id = a.user_id
            WHERE a.held <> COALESCE(h.total, 0) LIMIT $1";
    RUNNING = "SELECT user_id, balance_after, CAST(prefix AS BIGINT) FROM (
                 SELECT user_id, balance_after, SUM(amount) OVER (PARTITION BY user_id ORDER BY account_version) AS prefix
                 FROM credit_transactions) x
               WHERE balance_after <> prefix LIMIT $1";
    OVERDRAWN = "SELECT user_id, balance, overdraft_limit FROM credit_accounts
                 WHERE status = 'active' AND balance + overdraft_limit - held < 0 LIMIT $1";
    // A correction may go either way, and a payment taken back may be won back.
    SIGN = "SELECT user_id, account_version, kind, amount FROM credit_transactions
            WHERE (kind IN ('purchase', 'promo', 'grant', 'refund') AND amount < 0)
               OR (kind IN ('usage', 'expiry') AND amount > 0) LIMIT $1";
    KINDS = "SELECT kind, COUNT(*), CAST(SUM(amount) AS BIGINT) FROM credit_transactions GROUP BY kind ORDER BY kind";
    MEMBERS = "SELECT CAST(COALESCE(SUM(balance), 0) AS BIGINT) FROM credit_accounts";
    // What a resolved hold says it charged is what its ledger rows took.
    RESOLVED = "SELECT h.id, COALESCE(h.settled_amount, 0), CAST(COALESCE(-t.amount, 0) AS BIGINT) FROM credit_holds h
                LEFT JOIN (SELECT hold_id, SUM(amount) AS amount FROM credit_transactions WHERE hold_id IS NOT NULL GROUP BY hold_id) t
                  ON t.hold_id = h.id
                WHERE COALESCE(h.settled_amount, 0) <> COALESCE(-t.amount, 0) LIMIT $1";
    RECEIPTS = "SELECT r.id, r.amount, CAST(COALESCE(-t.amount, 0) AS BIGINT) FROM receipts r
                LEFT JOIN (SELECT hold_id, SUM(amount) AS amount FROM credit_transactions WHERE hold_id IS NOT NULL GROUP BY hold_id) t
                  ON t.hold_id = r.id
                WHERE r.amount <> COALESCE(-t.amount, 0) LIMIT $1";
    OVER_REFUNDED = "SELECT t.user_id, -t.amount, CAST(SUM(r.amount) AS BIGINT) FROM credit_transactions r
                     JOIN credit_transactions t ON t.id = r.reverses
                     GROUP BY t.id, t.user_id, t.amount HAVING SUM(r.amount) > -t.amount LIMIT $1";
    USAGE = "SELECT u.hold_id, u.credits, COALESCE(r.amount, 0) FROM usage_logs u LEFT JOIN receipts r ON r.id = u.hold_id
             WHERE u.hold_id IS NOT NULL AND u.credits <> COALESCE(r.amount, 0) LIMIT $1";
    // Usage rows begin with their hold. Those of quarters before `kept_from` were let go of; receipts stay.
    NO_USAGE = postgres: "SELECT r.id, r.amount, CAST(0 AS BIGINT) FROM receipts r JOIN credit_holds h ON h.id = r.id
                 LEFT JOIN usage_logs u ON u.created_at = h.created_at AND u.id = h.id
               WHERE u.id IS NULL AND floor(extract(epoch FROM h.created_at) / 900) >= (SELECT kept_from FROM usage_rollup) LIMIT $1",
               lite: "SELECT r.id, r.amount, 0 FROM receipts r JOIN credit_holds h ON h.id = r.id
                 LEFT JOIN usage_logs u ON u.created_at = h.created_at AND u.id = h.id
               WHERE u.id IS NULL AND unixepoch(substr(h.created_at, 1, 19)) / 900 >= (SELECT kept_from FROM usage_rollup) LIMIT $1";
    RECEIPT_HOLD = "SELECT r.id, r.held, COALESCE(h.amount, 0) FROM receipts r LEFT JOIN credit_holds h ON h.id = r.id
                    WHERE h.id IS NULL OR h.amount <> r.held LIMIT $1";
    NO_RECEIPT = "SELECT h.id, COALESCE(h.settled_amount, 0), h.amount FROM credit_holds h LEFT JOIN receipts r ON r.id = h.id
                  WHERE (h.status = 'settled' OR COALESCE(h.settled_amount, 0) <> 0) AND r.id IS NULL LIMIT $1";
    // What the database must refuse. Neither would change anything for good: both are rolled back.
    CHANGE = "UPDATE credit_transactions SET amount = amount WHERE id = (SELECT id FROM credit_transactions LIMIT 1)";
    DELETE = "DELETE FROM credit_transactions WHERE id = (SELECT id FROM credit_transactions LIMIT 1)";
}

/// Tries to change and to delete a ledger row, and undoes it: what the database let happen, in words. An honest one refuses both. Not in a
/// snapshot, which refuses everything.
pub async fn changeable(store: &Store) -> Result<Vec<&'static str>> {
    let mut allowed = Vec::new();
    for (act, word) in [(CHANGE, "a ledger row could be changed"), (DELETE, "a ledger row could be deleted")] {
        let mut tx = store.write().await?;
        let done = run!(&mut tx, execute, act).map_err(StoreError::from);
        tx.rollback().await?;
        match done {
            Ok(0) => {}
            Ok(_) => allowed.push(word),
            Err(error) if error.is_unavailable() => return Err(error),
            Err(_) => {}
        }
    }
    Ok(allowed)
}

/// Culprits named at most per question; the first ones are enough to find the cause.
pub(crate) const NAMED: i64 = 100;

/// An account whose two numbers should be equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountFault {
    /// Whose.
    pub user: UserId,
    /// What the account (or row) says, in micro-credits or, for versions, a count.
    pub stored: i64,
    /// What the rows add up to.
    pub computed: i64,
}

/// A call whose two amounts should be equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFault {
    /// Which hold (and receipt).
    pub hold: HoldId,
    /// One side.
    pub stored: Credits,
    /// The other side.
    pub computed: Credits,
}

/// Something with a name of its own whose two numbers should be equal: credits in micro-credits, money in its smallest unit, or a count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFault {
    /// Which one, in words.
    pub what: String,
    /// What it says.
    pub stored: i64,
    /// What the rows behind it add up to.
    pub computed: i64,
}

/// Accounts and ledger rows looked at.
pub async fn size(tx: &mut Tx) -> Result<(i64, i64)> {
    let accounts: Option<i64> = run!(tx, scalar, ACCOUNTS)?;
    let rows: Option<i64> = run!(tx, scalar, ROWS)?;
    Ok((accounts.unwrap_or(0), rows.unwrap_or(0)))
}

/// All movements of one kind together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindTotal {
    /// One of `Kind`'s words.
    pub kind: String,
    /// How many.
    pub rows: i64,
    /// Their sum, as the members' accounts see it.
    pub total: Credits,
}

/// The movements by kind, for the double-entry view.
pub async fn kinds(tx: &mut Tx) -> Result<Vec<KindTotal>> {
    let rows: Vec<(String, i64, i64)> = run!(tx, rows, KINDS)?;
    Ok(rows
        .into_iter()
        .map(|(kind, rows, total)| KindTotal { kind, rows, total: Credits::from_micro(total) })
        .collect())
}

/// A ledger row that cannot be true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFault {
    /// Whose.
    pub user: UserId,
    /// Which: the version.
    pub version: i64,
    /// Its kind.
    pub kind: String,
    /// Its amount.
    pub amount: Credits,
}

/// Rows that go the wrong way for their kind.
pub async fn signs(tx: &mut Tx) -> Result<Vec<RowFault>> {
    let rows: Vec<(Uuid, i64, String, i64)> = run!(tx, rows, SIGN, NAMED)?;
    Ok(rows.into_iter().map(RowFault::from).collect())
}

impl From<(Uuid, i64, String, i64)> for RowFault {
    fn from((user, version, kind, amount): (Uuid, i64, String, i64)) -> Self {
        Self { user: UserId(user), version, kind, amount: Credits::from_micro(amount) }
    }
}

/// What all members have together.
pub async fn members(tx: &mut Tx) -> Result<Credits> {
    let total: Option<i64> = run!(tx, scalar, MEMBERS)?;
    Ok(Credits::from_micro(total.unwrap_or(0)))
}

macro_rules! account_question {
    ($($(#[$doc:meta])* $name:ident $statement:ident;)+) => {$(
        $(#[$doc])*
        pub async fn $name(tx: &mut Tx) -> Result<Vec<AccountFault>> {
            let rows: Vec<(Uuid, i64, i64)> = run!(tx, rows, $statement, NAMED)?;
            Ok(rows.into_iter().map(|(user, stored, computed)| AccountFault { user: UserId(user), stored, computed }).collect())
        }
    )+};
}

account_question! {
    /// Accounts whose balance is not the sum of their rows.
    balances BALANCE;
    /// Accounts whose version is not the count of their rows, or whose rows have a gap.
    versions VERSION;
    /// Accounts whose held amount is not the sum of their open holds.
    held HELD;
    /// Rows whose running balance is not the sum of the rows up to them.
    running_balances RUNNING;
    /// Active accounts that have spent or promised more than they have.
    overdrawn OVERDRAWN;
    /// Accounts that were given back more of a charge than it was.
    over_refunded OVER_REFUNDED;
}

macro_rules! call_question {
    ($($(#[$doc:meta])* $name:ident $statement:ident;)+) => {$(
        $(#[$doc])*
        pub async fn $name(tx: &mut Tx) -> Result<Vec<CallFault>> {
            let rows: Vec<(Uuid, i64, i64)> = run!(tx, rows, $statement, NAMED)?;
            let fault = |(hold, stored, computed)| CallFault {
                hold: HoldId(hold),
                stored: Credits::from_micro(stored),
                computed: Credits::from_micro(computed),
            };
            Ok(rows.into_iter().map(fault).collect())
        }
    )+};
}

call_question! {
    /// Holds whose charge is not what the ledger took for them.
    resolved_holds RESOLVED;
    /// Holds that were settled, or charged by the sweeper, without a receipt.
    holds_without_receipt NO_RECEIPT;
    /// Receipts that say another held amount than their hold, or have none.
    receipts_of_holds RECEIPT_HOLD;
    /// Receipts without the usage row of their call, of the time of which usage is kept.
    receipts_without_usage NO_USAGE;
    /// Receipts whose amount is not on the ledger.
    receipts RECEIPTS;
    /// Usage rows that say something else than their receipt, or charged something without one.
    usage USAGE;
}

//! Promo codes and who redeemed them. The guards of a redemption are in its statements; whom a code is for is asked by the rules.

use hub_types::{Credits, PromoCodeId, Timestamp, TransactionId, UserId};
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::search::containing;
use crate::{Result, StoreError, Tx};

/// Codes that fit a filter; `$find` is how the engine compares with a pattern.
macro_rules! list {
    ($find:literal) => {
        concat!(
            "SELECT id, code, credits, max_uses, max_uses_per_user, used_count, active, starts_at, expires_at, credits_expire_days, rules,
               batch, created_at, created_by
             FROM promo_codes WHERE id < $1 AND (active = $2 OR $2 IS NULL) AND (batch = $3 OR $3 IS NULL) AND code ",
            $find,
            " $4 ORDER BY id DESC LIMIT $5"
        )
    };
}

macro_rules! count {
    ($find:literal) => {
        concat!(
            "SELECT COUNT(*) FROM promo_codes WHERE (active = $1 OR $1 IS NULL) AND (batch = $2 OR $2 IS NULL) AND code ",
            $find,
            " $3"
        )
    };
}

statements! {
    INSERT = "INSERT INTO promo_codes (id, code, credits, max_uses, max_uses_per_user, used_count, active, starts_at, expires_at,
                credits_expire_days, rules, batch, created_at, created_by)
              VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (code) DO NOTHING";
    BY_ID = "SELECT id, code, credits, max_uses, max_uses_per_user, used_count, active, starts_at, expires_at, credits_expire_days, rules,
               batch, created_at, created_by
             FROM promo_codes WHERE id = $1";
    LOCK = postgres: "SELECT id FROM promo_codes WHERE id = $1 FOR UPDATE",
           lite: "SELECT id FROM promo_codes WHERE id = $1";
    LIST = postgres: list!("~"), lite: list!("GLOB");
    COUNT = postgres: count!("~"), lite: count!("GLOB");
    UPDATE = "UPDATE promo_codes SET active = $2, starts_at = $3, expires_at = $4, max_uses = $5 WHERE id = $1";
    // Also the lock under which the uses of one person are counted.
    TAKE = "UPDATE promo_codes SET used_count = used_count + 1
            WHERE code = $1 AND active = $3 AND (starts_at IS NULL OR starts_at <= $2) AND (expires_at IS NULL OR expires_at > $2)
              AND (max_uses IS NULL OR used_count < max_uses)
            RETURNING id, code, credits, max_uses, max_uses_per_user, used_count, active, starts_at, expires_at, credits_expire_days, rules,
              batch, created_at, created_by";
    REDEEM = "INSERT INTO promo_redemptions (promo_id, user_id, use_number, credits, transaction_id, redeemed_at)
              SELECT p.id, $2, (SELECT COALESCE(MAX(r.use_number), 0) FROM promo_redemptions r WHERE r.promo_id = $1 AND r.user_id = $2) + 1,
                p.credits, $3, $4
              FROM promo_codes p
              WHERE p.id = $1
                AND (SELECT COUNT(*) FROM promo_redemptions r WHERE r.promo_id = $1 AND r.user_id = $2) < p.max_uses_per_user
              RETURNING use_number";
    REDEEMED = "SELECT COUNT(*) FROM promo_redemptions r JOIN promo_codes p ON p.id = r.promo_id WHERE p.code = $1 AND r.user_id = $2";
    REDEMPTIONS = "SELECT user_id, use_number, credits, transaction_id, redeemed_at FROM promo_redemptions
                   WHERE promo_id = $1 AND transaction_id < $2 ORDER BY transaction_id DESC LIMIT $3";
}

/// Rows of a batch written by one statement: 13 parameters each, and SQLite takes 32 766.
const CHUNK: usize = 500;

/// A promo code as stored.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct PromoCode {
    /// Its id.
    #[sqlx(try_from = "Uuid")]
    pub id: PromoCodeId,
    /// What is typed in, in capitals.
    pub code: String,
    /// What one redemption gives.
    #[sqlx(try_from = "Micro")]
    pub credits: Credits,
    /// Redemptions in all; `None` is without limit.
    pub max_uses: Option<i32>,
    /// Redemptions per person.
    pub max_uses_per_user: i32,
    /// Redemptions so far.
    pub used_count: i32,
    /// False when it was switched off.
    pub active: bool,
    /// Not before.
    pub starts_at: Option<Timestamp>,
    /// Before, exclusive.
    pub expires_at: Option<Timestamp>,
    /// Days the credits live; `None` is for ever.
    pub credits_expire_days: Option<i32>,
    /// Whom it is for, as the rules write it.
    #[sqlx(json)]
    pub rules: Value,
    /// The batch it was made in.
    pub batch: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    #[sqlx(try_from = "Maker")]
    pub created_by: Option<UserId>,
}

/// A bigint column that holds micro-credits.
#[derive(sqlx::Type)]
#[sqlx(transparent)]
struct Micro(i64);

impl From<Micro> for Credits {
    fn from(micro: Micro) -> Self {
        Self::from_micro(micro.0)
    }
}

/// A nullable column that holds a user.
#[derive(sqlx::Type)]
#[sqlx(transparent)]
struct Maker(Option<Uuid>);

impl From<Maker> for Option<UserId> {
    fn from(maker: Maker) -> Self {
        maker.0.map(UserId)
    }
}

/// Which codes are wanted; the default is all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Switched on, or off.
    pub active: Option<bool>,
    /// Made in this batch.
    pub batch: Option<String>,
    /// Stands in the code; case does not matter.
    pub text: Option<String>,
}

/// One redemption.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Redemption {
    /// Who.
    #[sqlx(try_from = "Uuid")]
    pub user_id: UserId,
    /// 1 for this person's first use of the code, 2 for the second, …
    pub use_number: i32,
    /// What it gave.
    #[sqlx(try_from = "Micro")]
    pub credits: Credits,
    /// The ledger row.
    #[sqlx(try_from = "Uuid")]
    pub transaction_id: TransactionId,
    /// When.
    pub redeemed_at: Timestamp,
}

/// Stores a code; `false` when there is one of that name.
pub async fn insert(tx: &mut Tx, code: &PromoCode) -> Result<bool> {
    let done = run!(
        tx,
        execute,
        INSERT,
        code.id.0,
        &code.code,
        code.credits.micro(),
        code.max_uses,
        code.max_uses_per_user,
        code.active,
        code.starts_at,
        code.expires_at,
        code.credits_expire_days,
        Json(&code.rules),
        code.batch.as_deref(),
        code.created_at,
        code.created_by.map(|user| user.0)
    )?;
    Ok(done == 1)
}

/// Stores many codes at once. Fails with [`StoreError::Duplicate`] when one of them exists; then none was stored.
pub async fn insert_many(tx: &mut Tx, codes: &[PromoCode]) -> Result<()> {
    const INTO: &str = "INSERT INTO promo_codes (id, code, credits, max_uses, max_uses_per_user, used_count, active, starts_at, expires_at, \
                        credits_expire_days, rules, batch, created_at, created_by) ";
    for chunk in codes.chunks(CHUNK) {
        on!(tx, |c, _text| {
            let mut query = sqlx::QueryBuilder::new(INTO);
            query.push_values(chunk, |mut row, code| {
                row.push_bind(code.id.0)
                    .push_bind(&code.code)
                    .push_bind(code.credits.micro())
                    .push_bind(code.max_uses)
                    .push_bind(code.max_uses_per_user)
                    .push_bind(0_i32)
                    .push_bind(code.active)
                    .push_bind(code.starts_at)
                    .push_bind(code.expires_at)
                    .push_bind(code.credits_expire_days)
                    .push_bind(Json(&code.rules))
                    .push_bind(code.batch.as_deref())
                    .push_bind(code.created_at)
                    .push_bind(code.created_by.map(|user| user.0));
            });
            query.build().execute(c).await.map(drop)
        })?;
    }
    Ok(())
}

/// The code with this id.
pub async fn by_id(tx: &mut Tx, id: PromoCodeId) -> Result<Option<PromoCode>> {
    Ok(run!(tx, row, BY_ID, id.0)?)
}

/// The code with this id; other writers of it wait for this transaction.
pub async fn lock(tx: &mut Tx, id: PromoCodeId) -> Result<Option<PromoCode>> {
    let found: Option<Uuid> = run!(tx, scalar, LOCK, id.0)?;
    if found.is_none() {
        return Ok(None);
    }
    by_id(tx, id).await
}

/// Up to `limit` codes that fit, newest first, those made before `before`.
pub async fn list(tx: &mut Tx, filter: &Filter, before: Option<PromoCodeId>, limit: i64) -> Result<Vec<PromoCode>> {
    let before = before.map_or(Uuid::max(), |id| id.0);
    let text = pattern(tx, filter);
    Ok(run!(tx, rows, LIST, before, filter.active, filter.batch.as_deref(), text, limit)?)
}

/// How many codes fit.
pub async fn count(tx: &mut Tx, filter: &Filter) -> Result<i64> {
    let text = pattern(tx, filter);
    let count: Option<i64> = run!(tx, scalar, COUNT, filter.active, filter.batch.as_deref(), text)?;
    Ok(count.unwrap_or(0))
}

fn pattern(tx: &Tx, filter: &Filter) -> String {
    containing(tx, filter.text.as_deref().unwrap_or_default())
}

/// Writes what may be changed of a code: whether it is on, its dates and its number of uses. Fails when that number is below the
/// redemptions there were.
pub async fn update(tx: &mut Tx, code: &PromoCode) -> Result<bool> {
    let done = run!(tx, execute, UPDATE, code.id.0, code.active, code.starts_at, code.expires_at, code.max_uses)?;
    Ok(done == 1)
}

/// Counts one use of a code that works now, and keeps others of it waiting until this transaction ends. `None`: no such code, switched
/// off, not begun, run out or used up; nothing was changed then.
pub async fn take(tx: &mut Tx, code: &str, now: Timestamp) -> Result<Option<PromoCode>> {
    Ok(run!(tx, row, TAKE, code, now, true)?)
}

/// Notes a redemption of a code that was just taken; gives its number. `None` when this person has had all of theirs.
pub async fn redeem(
    tx: &mut Tx,
    code: PromoCodeId,
    user: UserId,
    transaction: TransactionId,
    now: Timestamp,
) -> Result<Option<i32>> {
    Ok(run!(tx, scalar, REDEEM, code.0, user.0, transaction.0, now)?)
}

/// How often this person redeemed a code of that name.
pub async fn times_redeemed(tx: &mut Tx, code: &str, user: UserId) -> Result<i64> {
    let count: Option<i64> = run!(tx, scalar, REDEEMED, code, user.0)?;
    count.ok_or(StoreError::Corrupt("a count"))
}

/// Redemptions of a code, newest first, those before the ledger row `before`.
pub async fn redemptions(
    tx: &mut Tx,
    code: PromoCodeId,
    before: Option<TransactionId>,
    limit: i64,
) -> Result<Vec<Redemption>> {
    Ok(run!(tx, rows, REDEMPTIONS, code.0, before.map_or(Uuid::max(), |id| id.0), limit)?)
}

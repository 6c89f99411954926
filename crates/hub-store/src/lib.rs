//! Every SQL statement of the hub, on SQLite and on PostgreSQL. Nobody else may say "sqlx".
//!
//! Functions take `&mut Tx`, so that whatever a rule does composes into one transaction. The room stores what it is given:
//! ids, times and defaults come from the rules. Guards are inside statements (`… WHERE balance >= $n`), never in
//! code between two of them. The rules for portable SQL stand in `docs/sql.md`.

#[macro_use]
mod fold_texts;
#[macro_use]
mod statement;
#[macro_use]
mod usage_columns;

pub mod accounts;
pub mod alerts;
pub mod audit;
pub mod budgets;
mod engine;
mod error;
pub mod fold;
pub mod fold_holds;
pub mod fold_once;
mod fold_rows;
pub mod grants;
pub mod history;
pub mod holds;
pub mod idempotency;
pub mod identities;
pub mod invites;
pub mod jobs;
pub mod keys;
pub mod ledger;
mod line;
pub mod orders;
mod partitions;
pub mod permissions;
pub mod prices;
pub mod promo;
pub mod providers;
pub mod receipts;
pub mod refunds;
pub mod reversals;
pub mod roles;
pub mod sessions;
pub mod totp;
mod tx;
pub mod usage;
pub mod usage_logs;
pub mod usage_names;
pub mod usage_rollup;
pub mod usage_totals;
pub mod user_budgets;
pub mod user_list;
pub mod users;
pub mod verifications;
pub mod verify;
mod watch;
pub mod webhooks;

pub use engine::{Engine, MigrationState, Store, StoreOptions};
pub use error::StoreError;
pub use line::Line;
pub use statement::Statement;
pub use tx::{OpenTx, Tx};

/// What every function of this room returns.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Every fixed statement of the room, for the test that prepares them all on both engines.
pub fn statements() -> Vec<&'static Statement> {
    [
        accounts::STATEMENTS,
        alerts::STATEMENTS,
        audit::STATEMENTS,
        budgets::STATEMENTS,
        engine::STATEMENTS,
        fold::STATEMENTS,
        fold_holds::STATEMENTS,
        fold_once::STATEMENTS,
        grants::STATEMENTS,
        history::STATEMENTS,
        holds::STATEMENTS,
        idempotency::STATEMENTS,
        identities::STATEMENTS,
        invites::STATEMENTS,
        jobs::STATEMENTS,
        keys::STATEMENTS,
        ledger::STATEMENTS,
        orders::STATEMENTS,
        permissions::STATEMENTS,
        prices::STATEMENTS,
        promo::STATEMENTS,
        providers::STATEMENTS,
        receipts::STATEMENTS,
        refunds::STATEMENTS,
        reversals::STATEMENTS,
        roles::STATEMENTS,
        sessions::STATEMENTS,
        totp::STATEMENTS,
        usage::STATEMENTS,
        user_budgets::STATEMENTS,
        usage_rollup::STATEMENTS,
        usage_totals::STATEMENTS,
        user_list::STATEMENTS,
        users::STATEMENTS,
        verifications::STATEMENTS,
        verify::STATEMENTS,
        webhooks::STATEMENTS,
    ]
    .into_iter()
    .flatten()
    .copied()
    .collect()
}

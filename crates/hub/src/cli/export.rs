//! `hub ledger export`: the rows of the ledger on standard output, for accountants and for checks of one's own. A page is in memory at a
//! time, and all pages show the same moment.

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use hub_domain::credits::{self, Kind, Transaction};
use hub_store::users;
use hub_types::{Timestamp, UserId};
use hub_web::{Cell, write_csv};
use serde_json::json;

use super::{Context, Outcome, ledger, write_exactly};

/// The columns, in JSON as in CSV.
const COLUMNS: &str = "id,userId,version,kind,counterAccount,amount,balanceAfter,createdAt,reason,actor,hold,metadata";

/// Which rows, and how they are written.
#[derive(Debug, Args)]
pub(super) struct ExportArguments {
    /// Only this account: its id or e-mail address
    #[arg(long)]
    user: Option<String>,
    /// Only rows made at or after this moment, such as 2026-11-01T00:00:00Z
    #[arg(long, value_parser = moment)]
    from: Option<Timestamp>,
    /// Only rows made before this moment
    #[arg(long, value_parser = moment)]
    to: Option<Timestamp>,
    /// csv with a line of names, or one JSON object per line
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Ndjson,
}

/// Writes the rows. Reads only; may run beside a serving process.
pub(super) async fn export(context: &Context, arguments: &ExportArguments) -> Result<Outcome> {
    let store = ledger::open(context).await?;
    let user = match &arguments.user {
        None => None,
        Some(words) => Some(find(&store, words).await?),
    };
    let from = arguments.from.unwrap_or(Timestamp::UNIX_EPOCH);
    let Some(to) = arguments.to.or_else(|| moment("9999-12-31T23:59:59Z").ok()) else { bail!("no end of time") };
    let mut export = credits::export(&store, user, from, to).await?;
    if arguments.format == Format::Csv {
        write_exactly(&format!("{COLUMNS}\r\n"))?;
    }
    loop {
        let rows = export.next().await?;
        if rows.is_empty() {
            return Ok(Outcome::Good);
        }
        let mut page = String::new();
        for row in &rows {
            match arguments.format {
                Format::Csv => csv(&mut page, row),
                Format::Ndjson => {
                    page.push_str(&object(row).to_string());
                    page.push('\n');
                }
            }
        }
        write_exactly(&page)?;
    }
}

async fn find(store: &hub_store::Store, words: &str) -> Result<UserId> {
    if let Ok(id) = words.parse::<UserId>() {
        return Ok(id);
    }
    let mut tx = store.read().await?;
    match users::by_email(&mut tx, &words.parse()?).await? {
        Some(user) => Ok(user.id),
        None => bail!("nobody has the address {words}"),
    }
}

fn moment(words: &str) -> Result<Timestamp, String> {
    words.parse().map_err(|_| "needs a moment such as 2026-11-01T00:00:00Z".to_owned())
}

fn counter(row: &Transaction) -> &'static str {
    Kind::from_word(&row.kind).map_or("", Kind::counter_account)
}

fn csv(out: &mut String, row: &Transaction) {
    let (id, user, at) = (row.id.to_string(), row.user.to_string(), row.created_at.to_rfc3339());
    let actor = row.actor.map(|actor| actor.to_string()).unwrap_or_default();
    let hold = row.hold.map(|hold| hold.to_string()).unwrap_or_default();
    write_csv(
        out,
        [
            Cell::Text(&id),
            Cell::Text(&user),
            Cell::Number(&row.version),
            Cell::Text(&row.kind),
            Cell::Text(counter(row)),
            Cell::Number(&row.amount),
            Cell::Number(&row.balance_after),
            Cell::Text(&at),
            Cell::Text(&row.reason),
            Cell::Text(&actor),
            Cell::Text(&hold),
            Cell::Text(&row.metadata.to_string()),
        ],
    );
}

fn object(row: &Transaction) -> serde_json::Value {
    json!({
        "id": row.id,
        "userId": row.user,
        "version": row.version,
        "kind": row.kind,
        "counterAccount": counter(row),
        "amount": row.amount,
        "balanceAfter": row.balance_after,
        "createdAt": row.created_at,
        "reason": row.reason,
        "actor": row.actor,
        "hold": row.hold,
        "metadata": row.metadata,
    })
}

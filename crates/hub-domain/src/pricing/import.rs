//! Writes new price versions: all of an import or none. Old versions stay, so that every receipt computes again.

use hub_store::StoreError;
use hub_store::prices::{self, PriceRow};
use hub_types::{Caller, Permission, PriceId};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::book::{load, to_json};
use super::change::{Change, ChangeKind, diff};
use super::entry::PriceEntry;
use super::settings::SETTINGS;
use crate::audit::{self, Event};
use crate::rbac::{self, Denied};
use crate::{Hub, Origin};

/// Entries in one import.
const MOST: usize = 5_000;

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The caller lacks `prices:update`.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// None, or too many at once.
    #[error("an import has 1 to {MOST} prices")]
    Size,
    /// Some prices are impossible, or unusual without leave. Nothing was written.
    #[error("some prices cannot be taken over")]
    Refused(Vec<Change>),
    /// A version with the same start was written meanwhile. Nothing was written.
    #[error("{0} has a version with the same start")]
    Taken(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How to import.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImportOptions {
    /// Takes prices over that look like a slip of the pen.
    pub allow_unusual: bool,
    /// Looks only.
    pub dry_run: bool,
}

/// What an import did, or would do.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Imported {
    /// Versions written; 0 for a dry run.
    pub written: usize,
    /// Every entry, in the order given.
    pub changes: Vec<Change>,
}

/// Imports prices; needs `prices:update`. Entries equal to the price in force write nothing, so a repetition is harmless.
/// Other processes use the new prices within a minute; calls that are running keep the price they began with.
pub async fn import(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    entries: &[PriceEntry],
    options: ImportOptions,
) -> Result<Imported, ImportError> {
    rbac::require(caller, Permission::PricesUpdate)?;
    if entries.is_empty() || entries.len() > MOST {
        return Err(ImportError::Size);
    }
    load(&hub.store, &hub.prices).await?;
    let now = hub.clock.now();
    let changes = diff(&hub.prices, entries, now);
    let refused = |change: &Change| !change.faults.is_empty() || (!options.allow_unusual && !change.unusual.is_empty());
    if options.dry_run {
        return Ok(Imported { written: 0, changes });
    }
    if changes.iter().any(refused) {
        return Err(ImportError::Refused(changes.into_iter().filter(refused).collect()));
    }
    let mut tx = hub.store.write().await?;
    let mut models = Vec::new();
    for (entry, change) in entries.iter().zip(&changes) {
        if change.kind == ChangeKind::Same {
            continue;
        }
        let name = format!("{}/{}", entry.service, entry.model);
        let row = PriceRow {
            id: PriceId::new(&hub.clock),
            provider: entry.service.clone(),
            model: entry.model.clone(),
            unit_prices: to_json(&entry.units())?,
            context_tokens: entry.context_tokens,
            max_output_tokens: entry.max_output_tokens,
            valid_from: entry.valid_from.unwrap_or(now).max(now),
            // An export that is imported again still names the settings; they would take the price for theirs.
            source: if ["", SETTINGS].contains(&entry.source.as_str()) {
                "import".to_owned()
            } else {
                entry.source.clone()
            },
        };
        let by = (caller.credential != hub_types::Credential::Operator).then_some(caller.user);
        if !prices::insert(&mut tx, &row, by, now).await? {
            tx.rollback().await?;
            return Err(ImportError::Taken(name));
        }
        models.push(name);
    }
    if !models.is_empty() {
        let event = Event::new("prices.changed").by(caller).on("prices", "");
        let details = json!({ "count": models.len(), "models": models.iter().take(20).collect::<Vec<_>>() });
        audit::record(hub, &mut tx, origin, event.details(details)).await?;
        tx.commit().await?;
        load(&hub.store, &hub.prices).await?;
    }
    Ok(Imported { written: models.len(), changes })
}

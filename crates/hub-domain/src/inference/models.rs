//! Which models a caller may use now.

use hub_types::{Caller, Permission};

use super::route::plan;
use super::{Choice, InferenceError, standing};
use crate::{Hub, rbac};

/// A model as lists show it.
#[derive(Debug, Clone)]
pub struct Model {
    /// Its id.
    pub id: String,
    /// Service word of who serves it.
    pub service: String,
    /// Since when its price is in force, in seconds since 1970.
    pub created: i64,
}

/// The models with a price whose provider is configured, and the aliases that lead to one, narrowed to those the key may use; ordered by id.
pub fn models(hub: &Hub, caller: &Caller) -> Result<Vec<Model>, InferenceError> {
    rbac::require(caller, Permission::ModelsRead)?;
    let allowed = |model: &str| standing::allows(caller, model);
    let mut models: Vec<Model> = hub
        .prices
        .all_current(hub.clock.now())
        .into_iter()
        .filter(|price| hub.providers.serves(&price.service) && allowed(&price.model))
        .map(|price| Model {
            id: price.model.clone(),
            service: price.service.clone(),
            created: price.valid_from.timestamp(),
        })
        .collect();
    let aliases = hub.settings.routing.aliases.iter().filter(|alias| allowed(&alias.name));
    models.extend(aliases.filter_map(|alias| {
        let first = plan(hub, &alias.name, &Choice::Auto).into_iter().next()?;
        let created = first.price.valid_from.timestamp();
        Some(Model { id: alias.name.clone(), service: first.provider.service().to_owned(), created })
    }));
    models.sort_by(|a, b| a.id.cmp(&b.id));
    models.dedup_by(|a, b| a.id == b.id);
    Ok(models)
}

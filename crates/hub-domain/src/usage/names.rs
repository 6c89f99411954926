//! What calls are told apart by, with names. History outlives what it describes: deleted accounts and keys keep their names.

use std::collections::HashMap;

use hub_store::usage_totals::{GroupBy, Part};
use hub_store::{StoreError, Tx, usage_names};
use hub_types::{ApiKeyId, UserId};
use uuid::Uuid;

/// What the calls of one group have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Nothing in particular.
    All,
    /// A model, provider or service.
    Word(String),
    /// A caller.
    User(UserId),
    /// A key; `None`: called from a session, without one.
    Key(Option<ApiKeyId>),
}

impl Group {
    pub(super) fn of(group: GroupBy, part: &Part) -> Self {
        match group {
            GroupBy::Nothing => Self::All,
            GroupBy::Model | GroupBy::Provider | GroupBy::Service => Self::Word(part.label.clone()),
            GroupBy::Key => Self::Key(part.key),
            GroupBy::User => part.user.map_or(Self::All, Self::User),
        }
    }
}

/// A group with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The group.
    pub group: Group,
    /// The word itself, the key's name or the caller's address; empty where there is none.
    pub name: String,
    /// True when the account was deleted or the key taken back.
    pub deleted: bool,
}

/// Finds the names, in the same order.
pub(super) async fn named(tx: &mut Tx, groups: Vec<Group>) -> Result<Vec<Named>, StoreError> {
    let (mut users, mut keys) = (Vec::new(), Vec::new());
    for group in &groups {
        match group {
            Group::User(id) => users.push(*id),
            Group::Key(Some(id)) => keys.push(*id),
            Group::All | Group::Word(_) | Group::Key(None) => {}
        }
    }
    let mut found = usage_names::of_users(tx, &users).await?;
    found.extend(usage_names::of_keys(tx, &keys).await?);
    let found: HashMap<_, _> = found.into_iter().map(|name| (name.id, (name.name, name.deleted))).collect();
    // Nobody is called by this id any more.
    let by_id = |id: Uuid| found.get(&id).cloned().unwrap_or((String::new(), true));
    let name = |group| {
        let (name, deleted) = match &group {
            Group::All | Group::Key(None) => (String::new(), false),
            Group::Word(word) => (word.clone(), false),
            Group::User(id) => by_id(id.0),
            Group::Key(Some(id)) => by_id(id.0),
        };
        Named { group, name, deleted }
    };
    Ok(groups.into_iter().map(name).collect())
}

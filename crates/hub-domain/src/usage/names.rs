//! What calls are told apart by, with names. History outlives what it describes: deleted accounts and keys keep their names.

use hub_store::usage_totals::{GroupBy, Part};
use hub_store::{StoreError, Tx, keys, users};
use hub_types::{ApiKeyId, UserId};

/// What the calls of one group have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
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

/// Finds the name.
pub(super) async fn named(tx: &mut Tx, group: Group) -> Result<Named, StoreError> {
    let (name, deleted) = match &group {
        Group::All | Group::Key(None) => (String::new(), false),
        Group::Word(word) => (word.clone(), false),
        Group::User(id) => users::by_id(tx, *id)
            .await?
            .map_or((String::new(), true), |user| (user.email.as_str().to_owned(), user.deleted_at.is_some())),
        Group::Key(Some(id)) => {
            keys::by_id(tx, *id).await?.map_or((String::new(), true), |key| (key.name, key.revoked_at.is_some()))
        }
    };
    Ok(Named { group, name, deleted })
}

//! Whose calls, and which of them.

use hub_store::usage_totals::{GroupBy, Question};
use hub_store::{StoreError, Tx, keys};
use hub_types::{ApiKeyId, Caller, Permission, UserId};
use uuid::Uuid;

use super::UsageError;
use crate::rbac;

/// Longest word of a filter, in characters.
const LONGEST: usize = 200;

/// Whose calls are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Whose {
    /// Everybody's for who may see them, else one's own.
    #[default]
    Visible,
    /// One's own.
    Own,
    /// This account's.
    User(UserId),
}

/// Which calls; the default is all that one may see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Whose.
    pub whose: Whose,
    /// With this key.
    pub key: Option<ApiKeyId>,
    /// Of this service.
    pub service: Option<String>,
    /// Answered by this provider.
    pub provider: Option<String>,
    /// Of this model.
    pub model: Option<String>,
}

impl Scope {
    /// Whose calls the caller gets to see; `None` is everybody's. Somebody else's do not exist without `usage:read_any`.
    pub(super) fn subject(&self, caller: &Caller) -> Result<Option<UserId>, UsageError> {
        rbac::require(caller, Permission::UsageRead)?;
        let any = caller.may(Permission::UsageReadAny);
        match self.whose {
            Whose::Visible if any => Ok(None),
            Whose::Visible | Whose::Own => Ok(Some(caller.user)),
            Whose::User(user) if any || user == caller.user => Ok(Some(user)),
            Whose::User(_) => Err(UsageError::NotFound),
        }
    }

    /// Words within bounds.
    pub(super) fn check(&self) -> Result<(), UsageError> {
        let words = [("service", &self.service), ("provider", &self.provider), ("model", &self.model)];
        words.into_iter().try_for_each(|(field, word)| check_word(field, word.as_deref()))
    }

    /// What the database is asked, without groups as yet.
    pub(super) async fn question(&self, tx: &mut Tx, subject: Option<UserId>) -> Result<Question, StoreError> {
        let mut user = subject;
        if let (None, Some(key)) = (user, self.key) {
            // Sums are kept by caller, and a key has one. The nil id is nobody's.
            user = Some(keys::by_id(tx, key).await?.map_or(UserId(Uuid::nil()), |key| key.user));
        }
        Ok(Question {
            group: GroupBy::Nothing,
            users: user.into_iter().collect(),
            keys: self.key.into_iter().collect(),
            services: self.service.iter().cloned().collect(),
            providers: self.provider.iter().cloned().collect(),
            models: self.model.iter().cloned().collect(),
        })
    }
}

/// A word that may be a filter. NUL cannot be asked of PostgreSQL.
pub(super) fn check_word(field: &'static str, word: Option<&str>) -> Result<(), UsageError> {
    match word {
        Some(word) if word.is_empty() || word.chars().count() > LONGEST || word.contains('\0') => {
            Err(UsageError::Invalid { field, message: "must have 1 to 200 characters" })
        }
        _ => Ok(()),
    }
}

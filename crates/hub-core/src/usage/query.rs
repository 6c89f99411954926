//! What all endpoints of usage take: whose calls, which of them, from when to when, in which time zone.

use hub_domain::usage::{Asked, Scope, Whose};
use hub_types::ApiKeyId;
use hub_web::ApiError;
use serde::Deserialize;
use utoipa::IntoParams;

/// Which calls.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct UsageQuery {
    /// Not before: a local day such as `2026-10-25`, which means its beginning, or a moment in RFC 3339.
    from: Option<String>,
    /// Before, written like `from`.
    to: Option<String>,
    /// IANA name of the time zone, such as `Europe/Berlin`; UTC by default.
    tz: Option<String>,
    /// An account, or `me`. By default everybody with `usage:read_any`, else oneself.
    user_id: Option<String>,
    /// Called with this key.
    key_id: Option<ApiKeyId>,
    /// Answered by this provider.
    provider: Option<String>,
    /// Of this model.
    model: Option<String>,
}

impl UsageQuery {
    /// The same for the rules.
    pub(crate) fn split(self) -> Result<(Scope, Asked), ApiError> {
        let whose = match self.user_id.as_deref() {
            None => Whose::Visible,
            Some("me") => Whose::Own,
            Some(id) => Whose::User(
                id.parse().map_err(|_| ApiError::validation("userId", "must be the id of an account, or me"))?,
            ),
        };
        let scope = Scope { whose, key: self.key_id, service: None, provider: self.provider, model: self.model };
        Ok((scope, Asked { from: self.from, to: self.to, zone: self.tz }))
    }
}

/// What calls are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GroupWord {
    /// Model as asked for.
    Model,
    /// Provider that answered.
    Provider,
    /// Service word.
    Service,
    /// API key.
    Key,
    /// Caller.
    User,
}

impl From<GroupWord> for hub_domain::usage::GroupBy {
    fn from(word: GroupWord) -> Self {
        match word {
            GroupWord::Model => Self::Model,
            GroupWord::Provider => Self::Provider,
            GroupWord::Service => Self::Service,
            GroupWord::Key => Self::Key,
            GroupWord::User => Self::User,
        }
    }
}
